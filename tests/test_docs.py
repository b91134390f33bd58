"""Pages that are generated say what the code says, and the code of pages runs."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from qkd_gym import names
from qkd_gym.cli import main

DOCS = Path(__file__).parents[1] / "docs"
TOO_LONG = 20  # lines of a block
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_of_the_configuration_is_current():
    page = runpy.run_path(str(DOCS / "configuration.py"))["page"]()
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == page


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory of its own, in which nothing is registered or imported yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(names, "_REGISTERED", {})
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) == str(tmp_path / f"{name}.py"):
            del sys.modules[name]


def test_everything_on_the_page_of_extensions_runs_and_is_short(folder, capsys):
    """Blocks run in their order; one that begins with the name of a file is that file too."""
    blocks = BLOCK.findall((DOCS / "extending.md").read_text(encoding="utf-8"))
    assert len(blocks) == 11
    for kind, code in blocks:
        if kind == "sh":
            program, *words = shlex.split(code)
            assert program == "qkd-gym"
            main([*words, "--workers", "1"])
            assert re.search(r"most_blocked:MostBlocked\W+0\.\d+", capsys.readouterr().out)
            continue
        assert len([line for line in code.splitlines() if line.strip()]) < TOO_LONG, code
        named = re.match(r"# (\w+\.py)\n", code)
        (folder / (named[1] if named else "block.py")).write_text(code, encoding="utf-8")
        made = runpy.run_path(str(folder / (named[1] if named else "block.py")))
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
