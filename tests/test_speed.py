"""The speed package measures what it says, on networks that are small enough for a test."""

import dataclasses
import time
from functools import partial

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

import gymnasium as gym
import torch

from qkd_gym.children import child_processes
from speed import cleanrl_style, forms, parts, report, training
from speed.clock import cpu_s, take_turns
from speed.environments import legal_actions
from speed.forms import FORMS, RECIPE, STOCK, Learner

SMALL = "metro-10"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def tiny(monkeypatch):
    """Forms with two environments and short rollouts: a few steps, or two minibatches of 64."""
    ppo = {**RECIPE.ppo, "n_steps": 4, "batch_size": 4}
    monkeypatch.setattr(forms, "RECIPE", dataclasses.replace(RECIPE, num_envs=2, ppo=ppo))
    for name, form in FORMS.items():
        if isinstance(form.make, partial):
            algorithm, _, policy = form.make.args
            make = partial(forms.stock, algorithm, 128, policy)
            monkeypatch.setitem(FORMS, name, dataclasses.replace(form, make=make))


def weights_of(learner):
    return torch.cat([w.detach().flatten() for w in learner.policy.parameters()])


@pytest.mark.parametrize("name", FORMS)
def test_every_form_learns(name, tiny):
    learner = FORMS[name].make(0, SMALL)
    before = None if learner.policy is None else weights_of(learner)
    with parts.account() as account:
        learner.learn(learner.rollout)
    if before is not None:
        after = weights_of(learner)
        assert torch.isfinite(after).all()
        assert not torch.equal(before, after)
    spent = account.spent_s
    for part in (parts.SIMULATOR, parts.FORWARD, parts.AGAIN, parts.BACKWARD, parts.OPTIMIZER):
        assert spent[part] > 0.0, part
    # Only the recipe is advised, and only the package's policy has a frozen network.
    assert (spent[parts.RULES] > 0.0) == (name == "recipe")
    assert (spent[parts.FROZEN] > 0.0) == (name in ("recipe", "from-nothing", "cleanrl"))


def test_a_form_learns_on_from_where_it_was(tiny):
    twice, once = (FORMS["from-nothing"].make(0, SMALL) for _ in range(2))
    twice.learn(twice.rollout)
    twice.learn(twice.rollout)
    assert twice.learn.func.__self__.num_timesteps == 2 * twice.rollout
    once.learn(once.rollout)
    assert not torch.equal(weights_of(twice), weights_of(once))


@pytest.mark.slow
def test_stock_forms_act_as_masks_allow(tiny):
    """What is illegal is never chosen with masks, and is without."""
    illegal = {}
    for name in ("stock-ppo", STOCK, "naive-maskable"):
        learner = FORMS[name].make(0, SMALL)
        env = learner.learn.func.__self__.get_env()
        counted = []
        step = env.env.step

        def stepped(actions, step=step, counted=counted):
            made = step(actions)
            counted.append(made[4]["illegal_actions"].sum())
            return made

        env.env.step = stepped
        learner.learn(2 * learner.rollout)
        illegal[name] = sum(counted)
    assert illegal["stock-ppo"] > 0
    assert illegal[STOCK] == illegal["naive-maskable"] == 0


def random_rewards(args, rollouts):
    """Mean reward per step and rollout of random legal actions in the loop's environments."""
    envs = gym.make_vec(args.env_id, num_envs=args.num_envs, scenario=args.scenario)
    observation, _ = envs.reset(seed=args.seed)
    actions = np.zeros(args.num_envs, np.int64)
    rewards = []
    for step in range(rollouts * args.num_steps):
        legal_actions(observation["action_mask"], step, actions)
        observation, reward, *_ = envs.step(actions)
        rewards.append(reward.mean())
    return np.reshape(rewards, (rollouts, args.num_steps)).mean(1)


def test_the_loop_in_cleanrls_style_moves_the_policy_by_learning_alone(tiny):
    args = cleanrl_style.Args(
        scenario=SMALL, num_envs=2, num_steps=8, update_epochs=1, total_timesteps=32
    )
    still = dataclasses.replace(args, learning_rate=0.0)
    learned, kept = (list(cleanrl_style.iterations(each)) for each in (args, still))
    assert [row["global_step"] for row in learned] == [row["global_step"] for row in kept]
    assert [row["global_step"] for row in learned] == [16, 32]
    # The last minibatch is looked at after three steps of the optimizer.
    assert abs(learned[0]["approx_kl"]) > 1e-7
    assert abs(kept[0]["approx_kl"]) < 1e-9
    # Both have the same weights and see the same episodes until the first update.
    assert learned[0]["reward_per_step"] == kept[0]["reward_per_step"]
    assert list(cleanrl_style.iterations(still))[1]["entropy"] == kept[1]["entropy"]


@pytest.mark.slow
def test_the_loop_in_cleanrls_style_learns():
    args = cleanrl_style.Args(
        scenario=SMALL,
        num_envs=32,
        num_steps=25,
        update_epochs=6,
        gamma=0.95,
        learning_rate=1e-2,
        total_timesteps=14_400,
    )
    learned = [row["reward_per_step"] for row in cleanrl_style.iterations(args)]
    rise = np.array(learned) - random_rewards(args, len(learned))
    # The hours of an episode, and so its demand, are the same for both; it has twelve rollouts.
    assert abs(rise[:2].mean()) < 0.05
    assert rise[-12:].mean() > 0.05


def test_a_part_is_charged_with_what_happens_in_it_and_in_no_other():
    now = 0.0
    account = parts.Account(lambda: now)

    def wait(seconds):
        nonlocal now
        now += seconds

    def outer():
        wait(2.0)
        account.charged(parts.FROZEN, partial(wait, 5.0))()
        wait(1.0)

    def failing():
        wait(0.5)
        raise KeyError

    wait(10.0)
    account.charged(parts.FORWARD, outer)()
    with pytest.raises(KeyError):
        account.charged(parts.BUFFER, failing)()
    wait(20.0)
    account.charge()
    spent = {part: seconds for part, seconds in account.spent_s.items() if seconds}
    assert spent == {parts.FORWARD: 3.0, parts.FROZEN: 5.0, parts.BUFFER: 0.5, parts.REST: 30.0}
    assert sum(spent.values()) == now


def test_accounts_leave_no_trace():
    before = {
        (owner, name): getattr(owner, name)
        for functions in parts.FUNCTIONS.values()
        for owner, names in functions
        for name in names
    }
    with parts.account():
        pass
    assert all(getattr(owner, name) is value for (owner, name), value in before.items())


def test_every_part_is_in_one_group():
    grouped = [part for members in parts.GROUPS.values() for part in members]
    assert sorted(grouped) == sorted([*parts.FUNCTIONS, parts.REST])


@pytest.mark.slow
def test_forms_are_compared(tiny, monkeypatch):
    monkeypatch.setattr(training, "TURN_S", 0.01)
    names = ("recipe", STOCK)
    found = training.compare({name: FORMS[name] for name in names}, SMALL)
    assert tuple(found) == names
    assert found[STOCK]["times_stock"] == 1.0
    for row in found.values():
        assert row["steps_per_cpu_s"] > 0.0
        assert sum(row["shares"].values()) == pytest.approx(1.0)
        assert sum(row["groups"].values()) == pytest.approx(1.0)


def test_a_turn_counts_every_step(monkeypatch):
    seconds = iter(range(100))
    monkeypatch.setattr(training, "cpu_s", lambda: 2.0 * next(seconds))
    learned = []
    form = training.Form("", lambda seed, scenario: Learner(learned.append, 100))
    trial = training.Trial(form, SMALL)
    assert learned == [100, 100]
    assert trial.turn()[0] == trial.steps / 2.0 == learned[-1] / 2.0
    assert trial.steps == 100 * round(training.TURN_S / 2.0)


def test_turns_are_taken_in_turns():
    order = []
    measures = {name: partial(lambda n: order.append(n) or len(order), name) for name in "ab"}
    assert take_turns(measures, 2) == {"a": [1, 3], "b": [2, 4]}
    assert order == ["a", "b", "a", "b"]


def test_cpu_time_counts_children_while_they_live_and_afterwards():
    def others_s():
        return cpu_s() - time.process_time()

    before = others_s()
    with child_processes(1) as submit:
        submit(sum, range(30_000_000)).result()
        living = others_s() - before
    ended = others_s() - before
    assert living > 0.1
    assert ended >= living - 0.03  # ticks


def test_growth_of_training(monkeypatch):
    ppo = {**RECIPE.ppo, "n_steps": 4, "batch_size": 4}
    monkeypatch.setattr(training, "RECIPE", dataclasses.replace(RECIPE, num_envs=2, ppo=ppo))
    monkeypatch.setattr(training, "GROWTH_ENVS", 2)
    rows = training.growth([{"sites": 6, "links": 11}, {"sites": 10, "links": 20}], "clustered")
    assert [row["sites"] for row in rows] == [6, 10]
    for row in rows:
        assert row["us_per_link_step"] * row["links"] == pytest.approx(row["us_per_step"])
        assert row["us_per_step"] * row["steps_per_cpu_s"] == pytest.approx(1e6)


def results_of_training():
    shares = dict.fromkeys([*parts.FUNCTIONS, parts.REST], 0.0)
    shares |= {parts.SIMULATOR: 0.1, parts.FROZEN: 0.3, parts.BACKWARD: 0.15, parts.REST: 0.45}
    row = {"steps_per_cpu_s": 2000.4, "steps_per_s": 1900.0, "times_stock": 2.5}
    groups = parts.grouped(shares)
    growth = [
        {"links": 20, "us_per_link_step": 9.04},
        {"links": 568, "us_per_link_step": 7.0},
    ]
    return {
        "training": {"recipe": {"title": "the recipe", **row, "shares": shares, "groups": groups}},
        "training_scaling": {"degree 4": growth},
        "training_peak_mb_1024": 1234.4,
        "training_steps_per_s": {"1": 100.0, "2": 180.0},
    }


def test_the_table_of_training():
    table = report.training_table(results_of_training())
    assert "| the recipe | 2,000 | 2.50 | 1,900 | 30% | 15% | 10% | 45% |" in table
    assert "frozen network (30%), backward pass (15%) and simulator (10%)." in table
    assert "peaks at 1,234 MiB" in table
    assert "2 workers train 1.80 times as fast as one" in table
    assert "From 20 to 568 links (degree 4) its cost per link goes from 9.0 to 7.0 µs" in table
    assert "left out" in report.training_table({})


def test_tables_are_written_between_their_markers_only():
    page = (
        "a\n<!-- speed: begin -->\nold\n<!-- speed: end -->\nb\n"
        "<!-- training: begin -->\nold\n<!-- training: end -->\nc\n"
    )
    once = report.between(page, "training", "new")
    assert once == page.replace("training: begin -->\nold\n", "training: begin -->\nnew\n")
    assert report.between(once, "training", "new") == once
    assert report.between("no markers", "training", "new") == "no markers"


@pytest.mark.parametrize("page", report.PAGES, ids=lambda page: page.name)
def test_the_pages_have_both_tables(page):
    text = page.read_text()
    for name in ("speed", "training"):
        assert report.between(text, name, "new") != text
