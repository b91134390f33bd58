"""Pages say what the code says, their code runs, and they make a site."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import qkd_gym
from qkd_gym import cli, names
from qkd_gym.network import report_preparation

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# Their code trains or fits for minutes.
SLOW = {"README.md", "viability.md"}
TOO_LONG = 20  # lines of a block
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Whose blocks also need each other's files and the commands between them, see their own tests.
IN_ORDER = {"extending.md", "networks.md"}
GENERATED = runpy.run_path(str(DOCS / "generate.py"))


def blocks(page, *languages):
    """Code of a page's fenced blocks in some languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [code for language, code in found if language in languages]


@pytest.mark.parametrize("name", sorted(GENERATED["pages"]()))
def test_generated_pages_are_current(name):
    page = DOCS / name
    assert page.read_text(encoding="utf-8") == GENERATED["pages"]()[name], "docs/generate.py"


def test_every_data_file_of_a_network_names_its_source_and_licence():
    found = GENERATED["network_files"]()
    assert len(found) > 10
    for name, facts in found.items():
        assert len(facts["source"]) > 10, name
        assert len(facts["licence"]) >= 5, name


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in SLOW else [])
        for page in PAGES
        if page.name not in IN_ORDER and blocks(page, "python")
    ],
)
def test_code_of_pages_runs(page, tmp_path):
    code = "\n".join(blocks(page, "python"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def commands():
    """Command lines of the package on the pages."""
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        text = page.read_text("utf-8")
        inline = re.findall(r"`(?=qkd-gym |python train)([^`\n]+)`", text)
        lines = "".join(blocks(page, "", "console")).splitlines()
        for line in [*lines, *inline]:
            called = re.match(r"(?:\$ )?\S*(qkd-gym|python train\.py) (.*)", line)
            if called:
                words = shlex.split(called[2], comments=True)
                yield page.name, ["train", *words] if "train.py" in called[1] else words


@pytest.mark.parametrize(("page", "words"), list(commands()))
def test_commands_of_pages_exist(page, words):
    cli.parser().parse_args(words)


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {qkd_gym.__version__}\n" in text


def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = {page.name for page in tmp_path.rglob("*.html")}
    assert {f"{page.stem}.html" for page in PAGES if page.name != "README.md"} <= built
    for page in tmp_path.rglob("*.html"):
        loaded = r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="https?:'
        assert not re.search(loaded, page.read_text("utf-8")), page


def test_the_notebook_has_the_code_of_the_quickstart():
    cells = json.loads((DOCS / "quickstart.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    page = [block.rstrip("\n") for block in blocks(DOCS / "quickstart.md", "python")]
    assert code[: len(page)] == page


@pytest.mark.slow
def test_the_notebook_runs_in_under_five_minutes(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(DOCS / "quickstart.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": tmp_path}}
    )
    client.execute()


@pytest.mark.filterwarnings("ignore:topology")
def test_the_page_on_own_networks_does_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "networks.md").read_text(encoding="utf-8")
    made: dict[str, object] = {}
    before = report_preparation(None)
    for kind, content in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind == "python":
            exec(content, made)
        else:
            command, _, printed = content.partition("\n")
            capsys.readouterr()
            cli.main(shlex.split(command)[2:])
            assert capsys.readouterr().out == printed
    report_preparation(before)
    read = {"mine.json", "own.json", "node-link.json", "zoo.gml", "net.graphml", "sndlib.xml"}
    assert {path.name for path in tmp_path.iterdir()} > read


@pytest.fixture
def of_nothing(tmp_path, monkeypatch):
    """A working directory of its own, in which nothing is registered or imported yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(names, "_REGISTERED", {})
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) == str(tmp_path / f"{name}.py"):
            del sys.modules[name]


def test_everything_on_the_page_of_extensions_runs_and_is_short(of_nothing, capsys):
    """Blocks run in their order; one that begins with the name of a file is that file too."""
    found = BLOCK.findall((DOCS / "extending.md").read_text(encoding="utf-8"))
    assert len(found) == 12
    for kind, code in found:
        if kind == "sh":
            program, *words = shlex.split(code)
            assert program == "qkd-gym"
            cli.main([*words, "--workers", "1"])
            assert re.search(r"most_blocked:MostBlocked\W+0\.\d+", capsys.readouterr().out)
            continue
        assert len([line for line in code.splitlines() if line.strip()]) < TOO_LONG, code
        named = re.match(r"# (\w+\.py)\n", code)
        (of_nothing / (named[1] if named else "block.py")).write_text(code, encoding="utf-8")
        made = runpy.run_path(str(of_nothing / (named[1] if named else "block.py")))
        if "env" in made:
            play(made["env"])


def play(env):
    """Three steps; vector environments of Stable-Baselines3 take a row of actions."""
    if hasattr(env, "num_envs"):
        env.reset()
        for _ in range(3):
            reward = env.step(np.zeros(env.num_envs, np.int64))[1]
        assert reward.shape == (env.num_envs,)
        return
    observation, info = env.reset(seed=0)
    for _ in range(3):
        assert observation in env.observation_space
        observation, _, _, _, info = env.step(env.action_space.n - 1)
    assert info["generated_bits"] > 0
