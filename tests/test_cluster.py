"""Work on a Ray cluster of two machines, one of which is lost."""

import os
import re
import sys
import time
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from qkd_gym.benchmark.runner import run_benchmark
from qkd_gym.benchmark.tuning import tune
from qkd_gym.cluster import RayCluster
from qkd_gym.errors import InvalidInput
from qkd_gym.workers import start_workers, take_workers

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")
LOSS = re.compile(
    r"^Pieces of work that were lost on the Ray cluster and begun again, with the same results: "
    r"1 with machine [\d.]+ \(node \w{8}\)\.$",
    re.MULTILINE,
)


@pytest.fixture
def cluster(monkeypatch):
    """Two machines of one core each; the driver is on the first of them."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # Machines find this file's functions there.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    from ray.cluster_utils import Cluster

    machine = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    made = Cluster(initialize_head=True, head_node_args={**machine, "include_dashboard": False})
    made.second = made.add_node(**machine)
    yield made
    made.shutdown()


def cut_power_when_busy(cluster):
    """Ends all processes of the second machine at once, if it is there and at work."""
    import psutil

    if cluster.second is None:
        return
    raylet = cluster.second.all_processes["raylet"][0].process.pid
    processes = psutil.Process(raylet).children(recursive=True)
    if any("ray::_do" in word for each in processes for word in each.cmdline()):
        cluster.remove_node(cluster.second, allow_graceful=False)
        cluster.second = None
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def square(unit):
    time.sleep(0.2)
    return unit**2


def refuse(unit):
    if unit >= 2:
        raise InvalidInput(f"unit is {unit}, but must be below 2.")
    return unit


def test_three_options_of_a_command_become_one_value():
    options = {"workers": 3, "backend": "processes", "address": "", "other": 1}
    take_workers(options)
    assert options == {"workers": 3, "other": 1}
    options = {"workers": "auto", "backend": "ray", "address": "10.0.0.1:6379"}
    take_workers(options)
    assert options == {"workers": RayCluster("10.0.0.1:6379")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"workers": 3, "backend": "ray", "address": ""},
            r"^workers is 3, but must be 'auto' with the backend 'ray'",
        ),
        (
            {"workers": 3, "backend": "processes", "address": "10.0.0.1:6379"},
            r"^address is '10\.0\.0\.1:6379', but must be left out",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InvalidInput, match=message):
        take_workers(options)


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_one_sentence_says_what_to_install():
    with (
        pytest.raises(ModuleNotFoundError, match=r"needs ray, which .*\[ray\]"),
        start_workers(RayCluster()),
    ):
        pass


@needs_ray
@pytest.mark.slow
def test_a_cluster_works_and_fails_as_processes_do(cluster, capfd):
    told = {}
    with start_workers(RayCluster(cluster.address)) as team:
        found = team.do(square, range(6), lambda index, result: told.update({index: result}))
        with pytest.raises(InvalidInput, match=r"^unit is 2, but must be below 2\.$"):
            team.do(refuse, range(6))
    assert found == [0, 1, 4, 9, 16, 25]
    assert told == dict(enumerate(found))
    assert "lost" not in capfd.readouterr().err


@needs_ray
def test_an_address_where_no_cluster_is_is_refused():
    with (
        pytest.raises(InvalidInput, match=r"^address is '127\.0\.0\.1:1', but must be"),
        start_workers(RayCluster("127.0.0.1:1")),
    ):
        pass


@needs_ray
@pytest.mark.slow
def test_a_benchmark_that_loses_a_machine_has_the_same_table(cluster, tmp_path, capfd):
    def run(out, workers, on_progress=None):
        run_benchmark(
            "metro",
            out,
            ["demand-deficit", "max-weight-matching"],
            scenarios=["metro"],
            episodes=40,
            workers=workers,
            on_progress=on_progress,
        )
        return (out / "results.json").read_bytes()

    undisturbed = run(tmp_path / "one", 1)
    lose = partial(cut_power_when_busy, cluster)
    disturbed = run(tmp_path / "two", RayCluster(cluster.address), lambda *_: lose())
    assert disturbed == undisturbed
    assert LOSS.search(capfd.readouterr().err)


@needs_ray
@pytest.mark.slow
def test_tuning_that_loses_a_machine_finds_the_same(cluster, capfd):
    small = {"scenario": "metro", "n_sites": 10, "bank_size": 2}
    settings = {"episodes": 16, "trials": 100, "sweeps": 0, **small}
    undisturbed = tune("demand-deficit", **settings)
    lose = partial(cut_power_when_busy, cluster)
    settings |= {"workers": RayCluster(cluster.address), "on_trial": lambda _: lose()}
    assert tune("demand-deficit", **settings) == undisturbed
    assert LOSS.search(capfd.readouterr().err)
