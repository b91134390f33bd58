"""Pages say what the code says, their code runs, and they make a site."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import qkd_gym
from qkd_gym import cli

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
# Their code trains or fits for minutes.
SLOW = {"README.md", "viability.md"}
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
        if blocks(page, "python")
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
