"""Examples run as their readers would run them."""

import runpy
from importlib.util import find_spec
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym import names
from qkd_gym.envs import LinkActivationEnv, LinkActivationVectorEnv
from qkd_gym.evaluation import evaluate
from qkd_gym.testing import check_opponent

EXAMPLES = Path(__file__).parents[1] / "examples"
ENV_ID = "qkd_gym/LinkActivation-v0"
SMALL = {"scenario": "metro", "n_sites": 8, "bank_size": 2, "episode_s": 1800.0}
DECISIONS = 30  # of an episode of SMALL


def rewards(actions, seed, episode=0):
    """What an episode of a seed gives for these actions, stepped by Gymnasium alone."""
    env = gym.make(ENV_ID, **SMALL)
    env.reset(seed=seed)
    for _ in range(episode):
        env.reset()
    return [env.step(int(action))[1] for action in actions]


def illegal_actions(monkeypatch, kind):
    """A list of how many actions of each step of these environments will have been illegal."""
    found, step = [], kind.step

    def watched(env, actions):
        result = step(env, actions)
        found.extend(np.atleast_1d(result[-1]["illegal_actions"]))
        return result

    monkeypatch.setattr(kind, "step", watched)
    return found


def test_the_plain_loop_plays_legal_actions_and_repeats_itself(monkeypatch):
    illegal = illegal_actions(monkeypatch, LinkActivationEnv)
    example = runpy.run_path(str(EXAMPLES / "plain_loop.py"))
    total, share = example["single"](**SMALL)
    assert illegal == [0] * DECISIONS
    assert np.isfinite(total)
    assert 0.0 < share <= 1.0
    assert example["single"](**SMALL) == (total, share)


def test_the_vector_loop_tells_episodes_apart(monkeypatch):
    illegal = illegal_actions(monkeypatch, LinkActivationVectorEnv)
    example = runpy.run_path(str(EXAMPLES / "plain_loop.py"))
    returns = example["batched"](num_envs=4, steps=2 * DECISIONS + 1, **SMALL)
    assert len(returns) == 8
    assert sum(illegal) == 0
    first = example["batched"](num_envs=4, steps=DECISIONS, **SMALL)
    assert returns[:4] == first


@pytest.mark.parametrize("algorithm", ["ppo", "dqn", "recurrent"])
def test_stock_learners_of_stable_baselines3_learn(algorithm):
    pytest.importorskip("sb3_contrib")
    example = runpy.run_path(str(EXAMPLES / "sb3_stock.py"))
    model = example["train"](algorithm, steps=200, num_envs=4, **SMALL)
    assert model.num_timesteps == 200
    fresh = example["make"](algorithm, model.get_env(), seed=0).policy.state_dict()
    trained = model.policy.state_dict()
    assert any((trained[name] != fresh[name]).any() for name in fresh)


def test_what_a_stock_learner_with_masks_has_learned_plays_from_its_file(tmp_path, monkeypatch):
    pytest.importorskip("sb3_contrib")
    example = runpy.run_path(str(EXAMPLES / "sb3_stock.py"))
    monkeypatch.chdir(tmp_path)
    model = example["train"]("maskable", steps=400, num_envs=8, **SMALL)
    example["FILE"].parent.mkdir()
    model.save(example["FILE"])
    played = evaluate(example["Trained"](), episodes=3, **SMALL).metrics
    assert played["illegal_actions"].sum() == 0
    learner = evaluate(model, episodes=3, **SMALL).metrics
    assert played["delivered_share"].tolist() == learner["delivered_share"].tolist()


def test_torchrl_draws_legal_actions_alone_and_in_batches():
    pytest.importorskip("torchrl", reason="needs the extra examples")
    import torch

    example = runpy.run_path(str(EXAMPLES / "torchrl_env.py"))
    torch.manual_seed(0)
    policy = example["make_policy"]()
    env = example["make"](**SMALL)
    env.set_seed(3)
    episode = env.rollout(2 * DECISIONS, policy)
    assert len(episode) == DECISIONS
    played = rewards(episode["action"], seed=3, episode=1)  # set_seed has started the first
    assert episode["next", "reward"].flatten().tolist() == pytest.approx(played, rel=1e-6)
    batch = example["make_batched"](3, **SMALL)
    for chosen in (policy, None):  # None draws at random
        rollout = batch.rollout(2 * DECISIONS, chosen, break_when_any_done=False)
        assert rollout["action_mask"].gather(-1, rollout["action"][..., None]).all()
        assert rollout["next", "done"].sum() == 6


def test_tianshou_learns_from_legal_actions_alone():
    pytest.importorskip("tianshou", reason="needs an environment of its own")
    example = runpy.run_path(str(EXAMPLES / "tianshou_env.py"))
    algorithm, told, buffer = example["train"](240, num_envs=2, **SMALL)
    assert told.update_step > 0
    assert len(buffer) == 240
    legal = buffer.obs.mask[np.arange(240), buffer.act.astype(int)]
    assert legal.all()
    assert buffer.done.sum() == 240 / DECISIONS
    fresh = example["learner"](example["make"](**SMALL)).policy.state_dict()
    trained = algorithm.policy.state_dict()
    assert any((trained[name] != fresh[name]).any() for name in fresh)


@pytest.mark.filterwarnings("ignore:`:UserWarning")  # of a dataset without an author
def test_a_minari_dataset_is_recorded_and_imitated(tmp_path, monkeypatch):
    for needed in ("minari", "jax", "h5py", "torch"):
        pytest.importorskip(needed, reason="needs the extra examples")
    import minari

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    example = runpy.run_path(str(EXAMPLES / "minari_dataset.py"))
    example["record"](3, seed=5, **SMALL)
    dataset = minari.load_dataset(example["DATASET"])
    assert dataset.total_steps == 3 * DECISIONS
    for seed, episode in enumerate(dataset.iterate_episodes(), start=5):
        assert episode.rewards.tolist() == rewards(episode.actions, seed)
    _, mask, actions = example["decisions"](dataset)
    assert mask.gather(1, actions[:, None]).all()
    _, losses = example["imitate"](dataset, epochs=10)
    assert losses[-1] < losses[0]


def test_the_planner_plays_and_repeats_itself():
    example = runpy.run_path(str(EXAMPLES / "planner.py"))
    share = example["play"](scenario="metro-10", decisions=6)
    assert 0.0 < share <= 1.0
    assert example["play"](scenario="metro-10", decisions=6) == share


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")
def test_rllib_learns_the_same_from_vector_and_single_environments(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    example = runpy.run_path(str(EXAMPLES / "rllib.py"))
    small = {"scenario": "metro", "n_sites": 10, "bank_size": 4, "episode_s": 1800.0}
    ray.init(address="local", num_cpus=1, object_store_memory=100 * 2**20, log_to_driver=False)
    try:
        found = [
            example["train"](example["configure"](mode, 0, 16, 0, 960, **small), 4)
            for mode in (example["VECTOR"], example["SYNC"])
        ]
    finally:
        ray.shutdown()
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    assert np.isfinite(found[0]).all()
    assert len(set(found[0])) == 4  # something was learned, or at least played


def test_an_opponent_is_learned(monkeypatch):
    pytest.importorskip("cmaes", reason="needs the extra search")
    monkeypatch.setattr(names, "_REGISTERED", {})
    example = runpy.run_path(str(EXAMPLES / "learned_opponent.py"))
    small = {key: value for key, value in SMALL.items() if key != "scenario"}
    learned, again = (example["learn"](2, population=4, episodes=3, **small) for _ in range(2))
    assert learned.tolist() == again.tolist() != example["BUSIEST"].tolist()
    check_opponent(example["LINEAR"], steps=15, **small)
    # It starts as the busiest.
    example["LINEAR"].weights = example["BUSIEST"]
    env = gym.make_vec(ENV_ID, num_envs=3, opponent="linear", **small)
    env.reset(seed=0)
    for _ in range(5):
        env.step(np.full(3, env.single_action_space.n - 1))
    view = env.core.opposition.view(np.arange(3))
    order = np.argsort(example["LINEAR"].predict(view), kind="stable")
    np.testing.assert_array_equal(order, np.argsort(view.traffic_bps, kind="stable"))
