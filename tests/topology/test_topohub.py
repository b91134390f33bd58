"""The catalogue of topohub by name, whether it is installed or not."""

import json
import sys

import pytest

from qkd_gym.errors import InvalidInput
from qkd_gym.network.scenarios import resolve
from qkd_gym.topology import load

PACKAGE = """
import json
from pathlib import Path
__version__ = "9.9"
def get(key):
    return json.loads((Path(__file__).parent / f"data/{key}.json").read_text())
"""


@pytest.fixture
def _catalogue(tmp_path, monkeypatch):
    """A package of that name with one network."""
    folder = tmp_path / "topohub" / "data" / "gabriel" / "25"
    folder.mkdir(parents=True)
    (tmp_path / "topohub" / "__init__.py").write_text(PACKAGE)
    nodes = [
        {"id": 0, "name": "R0", "pos": [0.0, 0.0]},
        {"id": 1, "name": "R1", "pos": [30.0, 40.0]},
    ]
    content = {"directed": False, "multigraph": False, "graph": {"demands": {}}, "nodes": nodes}
    content["edges"] = [{"source": 0, "target": 1, "dist": 50.0}]
    (folder / "0.json").write_text(json.dumps(content))
    (tmp_path / "topohub" / "secret.json").write_text(json.dumps(content))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "topohub", raising=False)
    yield
    sys.modules.pop("topohub", None)


@pytest.mark.usefixtures("_catalogue")
def test_a_network_by_name():
    network = load("topohub:gabriel/25/0")
    assert network.length_km.tolist() == [50.0]
    assert network.source == "topohub 9.9: gabriel/25/0"
    assert resolve("topohub:gabriel/25/0", {}).topology == network


@pytest.mark.usefixtures("_catalogue")
@pytest.mark.parametrize("name", ["gabriel/25/1", "../secret", "", "/etc/passwd"])
def test_only_what_is_in_the_catalogue(name):
    with pytest.raises(InvalidInput, match=r"must be one of 'topohub:gabriel/25/0'"):
        load(f"topohub:{name}")


def test_without_topohub_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "topohub", None)
    monkeypatch.setattr("qkd_gym.extras.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"needs topohub.*pip install.*\[topohub\]"):
        load("topohub:gabriel/25/0")
