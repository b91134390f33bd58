"""Processes that train together: equal replicas, repeatable results, errors instead of waiting."""

import dataclasses
import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import Client
from unittest.mock import patch

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")


from qkd_gym.children import child_processes  # noqa: E402
from qkd_gym.sb3 import LinkPointerPolicy  # noqa: E402
from qkd_gym.sb3.callbacks import DomainMetrics  # noqa: E402
from qkd_gym.sb3.distribution import MaskedCategoricals  # noqa: E402
from qkd_gym.sb3.group import Group, together  # noqa: E402
from qkd_gym.sb3.ppo import GraphPPO  # noqa: E402
from qkd_gym.sb3.recipe import Recipe  # noqa: E402
from qkd_gym.sb3.training import Training, Validation  # noqa: E402

ENV_ID = "qkd_gym/LinkActivation-v0"
NETWORK = {"n_sites": 8, "bank_size": 2, "episode_s": 600.0}
RECIPE = Recipe(
    num_envs=6,
    adviser="demand-deficit",
    control_policy="demand-deficit",
    learning_rate=1e-2,
    ppo={"n_steps": 16, "batch_size": 36, "n_epochs": 2, "target_kl": 1.0},
)


@pytest.fixture(scope="module")
def submit():
    """Hands work to two other processes, which take seconds to start."""
    with child_processes(2) as submit:
        yield submit


def sums(group, folder):
    """Everything that a group does, noted in a file per rank."""
    own = torch.arange(3.0) + group.rank
    copied = torch.full((2,), 10.0 + group.rank)
    group.copy_first_([copied])
    noted = {
        "sum": group.sum_(own.clone()),
        "mean": group.mean_(own.clone()),
        "copied": copied,
        "share": torch.tensor(group.share(7)),
    }
    torch.save(noted, folder / f"{group.rank}.pt")


def test_a_group_adds_averages_and_copies(tmp_path, submit):
    for _ in range(2):  # the same processes serve again
        with together(3, submit, partial(sums, folder=tmp_path)) as group:
            assert (group.rank, group.size, group.leads) == (0, 3, True)
            sums(group, tmp_path)
    noted = [torch.load(tmp_path / f"{rank}.pt") for rank in range(3)]
    for one in noted:
        assert one["sum"].tolist() == [3.0, 6.0, 9.0]
        assert one["mean"].tolist() == [1.0, 2.0, 3.0]
        assert one["copied"].tolist() == [10.0, 10.0]
    assert [one["share"].tolist() for one in noted] == [[0, 1], [2, 3], [4, 5, 6]]


def test_one_process_needs_no_group():
    def submit(*_):
        pytest.fail("nobody else is needed")

    with together(1, submit, sums) as group:
        tensor = torch.ones(2)
        assert group.mean_(tensor) is tensor is group.sum_(tensor)
        assert group.share(5) == range(5)


def test_strangers_take_no_part(tmp_path, submit):
    strangers = []

    def submit_late(work, port, *arguments):
        stranger = Client(("127.0.0.1", port))
        stranger.send_bytes(bytes(34))
        strangers.append(stranger)
        return submit(work, port, *arguments)

    with together(2, submit_late, partial(sums, folder=tmp_path)) as group:
        sums(group, tmp_path)
    with pytest.raises((EOFError, OSError)):
        strangers[0].recv_bytes()
    assert torch.load(tmp_path / "1.pt")["sum"].tolist() == [1.0, 3.0, 5.0]


def fail(group):
    if group.rank == 2:
        raise ZeroDivisionError("of rank 2")
    group.sum_(torch.zeros(1))


def die(group):
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    group.sum_(torch.zeros(1))


def run(submit, work, members=3, here=None):
    """A group in which the others do this work, and this process the same or something else."""
    with together(members, submit, work) as group:
        (here or work)(group)


def check_end(submit, work, error, members=3):
    """The error of the others' work is that of the group, and comes soon."""
    began = time.monotonic()

    def wait(group):
        nonlocal began
        began = time.monotonic()
        group.sum_(torch.zeros(1))

    with pytest.raises(error):
        run(submit, work, members, here=wait)
    assert time.monotonic() - began < 60  # a busy machine takes long to start processes


@pytest.mark.parametrize(("work", "error"), [(fail, ZeroDivisionError), (0, TypeError)])
def test_an_error_in_another_process_ends_the_group(submit, work, error):
    check_end(submit, work, error)


def test_the_death_of_another_process_ends_the_group():
    with child_processes(1) as doomed:
        check_end(doomed, die, BrokenProcessPool, members=2)


def wait(group):
    group.sum_(torch.zeros(1))


def stop(group):
    raise KeyError(group.size)


def test_an_error_here_ends_the_others(tmp_path, submit):
    with pytest.raises(KeyError):
        run(submit, wait, here=stop)
    run(submit, partial(sums, folder=tmp_path))  # they are free again


def learn(group, folder, workers, recipe=RECIPE, timesteps=2 * 96):
    """A training, after which every process leaves its weights."""
    folder = folder / str(workers)
    training = Training(
        recipe=recipe,
        env_id=ENV_ID,
        network=NETWORK,
        seed=1,
        timesteps=timesteps,
        device=torch.device("cpu"),
        folder=folder,
        saves=2,
        key="key",
        validation=Validation(ENV_ID, NETWORK, 5, 500_000),
    )
    model = training.run(group)
    torch.save(model.policy.state_dict(), folder / f"{group.rank}.pt")
    np.save(folder / f"links-{group.rank}.npy", model.rollout_buffer.observations["link_inputs"][0])
    return model


def trained(submit, folder, workers, **changes):
    work = partial(learn, folder=folder, workers=workers, **changes)
    (folder / str(workers) / "checkpoints").mkdir(parents=True, exist_ok=True)
    run(submit, work, workers)
    return [torch.load(folder / str(workers) / f"{rank}.pt") for rank in range(workers)]


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_replicas_stay_equal_and_trainings_repeat(tmp_path, submit):
    replicas = trained(submit, tmp_path / "a", 3)
    assert all(equal(replicas[0], other) for other in replicas[1:])
    again = trained(submit, tmp_path / "b", 3)
    assert equal(replicas[0], again[0])


def test_every_member_has_the_episodes_of_its_seed(tmp_path, submit):
    """Whichever process it is in: the first observations of all are those of one process."""
    links = {}
    plain = dataclasses.replace(RECIPE, adviser="", control_policy="")
    for workers in (1, 3):
        trained(submit, tmp_path, workers, recipe=plain, timesteps=96)
        files = [tmp_path / str(workers) / f"links-{rank}.npy" for rank in range(workers)]
        links[workers] = np.concatenate([np.load(file) for file in files])
    np.testing.assert_array_equal(links[1], links[3])


def update(group, folder):
    """Two rollouts and updates in which nothing is drawn: the likeliest actions, and minibatches
    that are whole rollouts."""
    env = RECIPE.environment(ENV_ID, NETWORK, group=group)
    model = GraphPPO(
        LinkPointerPolicy,
        env,
        group=group,
        learning_rate=0.1,
        n_steps=16,
        batch_size=96,
        n_epochs=2,
        seed=0,
        device="cpu",
        policy_kwargs={"adviser": "demand-deficit", "optimizer_class": torch.optim.SGD},
    )
    env.seed(group.share(6).start)
    before = {name: weight.clone() for name, weight in model.policy.state_dict().items()}
    metrics = DomainMetrics(group)
    with patch.object(MaskedCategoricals, "sample", MaskedCategoricals.mode):
        model.learn(2 * 96, callback=metrics)
    logged = dict(model.logger.name_to_value)
    noted = (before, model.policy.state_dict(), metrics.history, logged)
    torch.save(noted, folder / f"{group.size}.{group.rank}.pt")


def test_a_group_s_updates_are_those_of_one_process(tmp_path, submit):
    work = partial(update, folder=tmp_path)
    work(Group())
    run(submit, work)
    before, alone, history, logged = torch.load(tmp_path / "1.0.pt")
    _, shared, shared_history, shared_logged = torch.load(tmp_path / "3.0.pt")
    changed = [name for name in alone if not torch.equal(alone[name], before[name])]
    assert len(changed) > 10
    for name, weight in alone.items():
        torch.testing.assert_close(shared[name], weight, rtol=1e-4, atol=1e-5)
    for one, other in zip(history, shared_history, strict=True):
        assert other == pytest.approx(one)
    names = {name for name in logged if name.startswith("train/")}
    assert len(names) > 8
    for name in names:
        assert shared_logged[name] == pytest.approx(logged[name], rel=1e-3, abs=1e-5), name


def test_a_group_of_one_is_alone():
    assert (Group().rank, Group().size, Group().leads) == (0, 1, True)
