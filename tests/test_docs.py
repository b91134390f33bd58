"""Pages that are generated say what the code says."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

from qkd_gym.cli import main
from qkd_gym.network import report_preparation

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_the_configuration_is_current():
    page = runpy.run_path(str(DOCS / "configuration.py"))["page"]()
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == page


@pytest.mark.filterwarnings("ignore:topology")
def test_the_page_on_own_networks_does_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "networks.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    before = report_preparation(None)
    for kind, content in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind == "python":
            exec(content, names)
        else:
            command, _, printed = content.partition("\n")
            capsys.readouterr()
            main(shlex.split(command)[2:])
            assert capsys.readouterr().out == printed
    report_preparation(before)
    read = {"mine.json", "own.json", "node-link.json", "zoo.gml", "net.graphml", "sndlib.xml"}
    assert {path.name for path in tmp_path.iterdir()} > read
