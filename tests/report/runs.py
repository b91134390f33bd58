"""Folders of finished runs, as train.py leaves them."""

from qkd_gym.evaluation import evaluate
from qkd_gym.evaluation.episodes import HELD_OUT_SEED
from qkd_gym.evaluation.player import Player
from qkd_gym.evaluation.plots import plot_learning_curve
from qkd_gym.files import write_json
from qkd_gym.scoring.agents import save_scored, shipped_schedule

NETWORK = {"scenario": "vienna", "episode_s": 3600.0}


def make_run(folder, **network):
    """A run of two episodes, whose agent is a shipped one."""
    network = network or NETWORK
    folder.mkdir()
    agent = shipped_schedule("metro")
    scheduling, activation = (f"qkd_gym/Link{kind}-v0" for kind in ("Scheduling", "Activation"))
    entries = {
        "agent": (agent, scheduling),
        "random": ("random", scheduling),
        "demand-deficit (LinkActivation)": ("demand-deficit", activation),
    }
    results = {
        name: evaluate(policy, env_id, 2, HELD_OUT_SEED, name=name, **network).to_dict()
        for name, (policy, env_id) in entries.items()
    }
    write_json(folder / "metrics.json", results)
    save_scored(folder / "schedule.json", agent.weights, {"summary": "Made for a test"})
    plot_learning_curve(
        folder / "learning_curve.png",
        [0, 100, 200],
        [0.5, 0.6, 0.62],
        label="agent",
        references={"rule that it starts from": 0.5},
    )
    return folder


def player_of(run, name="agent"):
    """Plays the first episode of a run's results."""
    look = {"render_mode": "ansi"}
    return Player(run.policy(name), run.env_id(name), run.seed, **look, **run.settings)
