"""Wheel and sdist as their users get them, outside the repository, on each claimed Python here."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from qkd_gym.extras import MissingExtra, require_extra

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSIONS = re.findall(r"Python :: (3\.\d+)", "\n".join(PYPROJECT["project"]["classifiers"]))
STEP = """
import gymnasium as gym, qkd_gym
assert "site-packages" in qkd_gym.__file__, qkd_gym.__file__
env = gym.make("qkd_gym/LinkActivation-v0", scenario="vienna")
env.reset(seed=0)
env.step(0)
"""


def done(*command, **options):
    finished = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, **options
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_a_missing_extra_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    """From a checkout that is the checkout, and otherwise the package."""
    with pytest.raises(MissingExtra) as here:
        require_extra("train", "no_such_module")
    assert f'pip install -e "{ROOT}[train]".' in str(here.value)
    monkeypatch.setattr("qkd_gym.extras._ROOT", tmp_path)
    with pytest.raises(MissingExtra) as elsewhere:
        require_extra("train", "no_such_module")
    assert 'pip install "qkd-gym[train]".' in str(elsewhere.value)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    done(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return folder


@pytest.mark.slow
def test_an_index_takes_the_packages(built):
    done(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(1800)  # it installs and compiles everything anew
@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_works_outside_the_repository(built, tmp_path, version):
    python = shutil.which(f"python{version}")
    # A version manager's stand-in for a version that is switched off is no Python either.
    if python is None or subprocess.run([python, "--version"], capture_output=True).returncode:
        pytest.skip(f"there is no Python {version} here")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    options = {"cwd": tmp_path, "env": environment}
    done(python, "-m", "venv", tmp_path / "venv")
    programs = tmp_path / "venv" / "bin"
    (wheel,) = built.glob("*.whl")
    constraints = ROOT / "constraints.txt"
    done(
        *(programs / "python", "-m", "pip", "install", "--quiet", "--constraint", constraints),
        f"{wheel}[search]",
        **options,
    )
    done(programs / "python", "-c", STEP, **options)
    assert "metro" in done(programs / "qkd-gym", "list", "scenarios", **options)
    tiny = ["--scenario", "vienna", "--workers", "1", "--episodes", "2"]
    done(programs / "qkd-gym", "train", *tiny, "--total-timesteps", "1", "--out", "run", **options)
    played = done(programs / "qkd-gym", "evaluate", "run", *tiny, **options)
    assert "run" in played
