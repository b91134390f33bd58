"""Any topology file is a network or refused with a short sentence, soon and in little memory."""

import json
import random
import resource
import time
import warnings
from contextlib import suppress

import pytest
from mutations import mutated

from qkd_gym.errors import InvalidInput
from qkd_gym.topology import from_mapping, load

FILES = [
    {
        "name": "plane",
        "source": "own",
        "nodes": [
            {"id": "a", "name": "A", "x_km": 0, "y_km": 0.5, "population": 1000},
            {"id": "b", "name": "B", "x_km": 30, "y_km": -2},
            {"id": "c", "x_km": 31.5, "y_km": 7.25},
        ],
        "edges": [
            {"source": "a", "target": "b", "length_km": 33, "preset": "cv-metro"},
            {"source": "b", "target": "c", "length_km": 10, "loss_db": 3.1, "kind": "free-space"},
            {"source": "a", "target": "c", "length_km": 41.5},
        ],
    },
    {
        "name": "globe",
        "nodes": [{"id": i, "lat": 48.0 + 0.1 * i, "lon": 16.0 + i % 3} for i in range(8)],
        "edges": [{"source": i, "target": i + 1, "length_km": 100 + i} for i in range(7)],
    },
    {
        "name": "lengths alone",
        "nodes": [{"id": i} for i in range(6)],
        "edges": [
            {"source": i, "target": j, "length_km": 5 * (j - i)} for j in range(6) for i in range(j)
        ],
    },
]
SEED = 20_250_704


def outcome(make, content):
    """The network that is made of a file or of plain values, or the sentence that refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "topology", UserWarning)
        try:
            return make(content)
        except InvalidInput as error:
            return str(error)


def ways(path):
    """The file, and the values that Python itself reads from it, which are not all JSON."""
    yield load, path
    with suppress(ValueError, RecursionError):
        yield from_mapping, json.loads(path.read_bytes())


def check_mutants(folder, count):
    """Loads mutated files; a twentieth to a half of them are networks."""
    rng, path, networks = random.Random(SEED), folder / "mutated.json", 0
    originals = [json.dumps(content, indent=1).encode() for content in FILES]
    for number in range(count):
        path.write_bytes(mutated(rng.choice(originals), rng))
        for make, content in ways(path):
            begin = time.perf_counter()
            try:
                found = outcome(make, content)
            except Exception as error:
                raise AssertionError(f"mutant {number}: {path.read_bytes()[:2000]!r}") from error
            assert time.perf_counter() - begin < 5, number
            if isinstance(found, str):
                assert len(found) <= 300, number
                assert found.isprintable(), number
            elif make is load:
                networks += 1
    assert count / 20 < networks < count / 2


def test_mutated_files_are_networks_or_refused(tmp_path):
    check_mutants(tmp_path, 500)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_20000_mutated_files_are_networks_or_refused(tmp_path):
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_mutants(tmp_path, 20_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 500 * 1024
