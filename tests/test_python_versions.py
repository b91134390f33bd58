"""The Python versions that the package claims are one claim, and it holds here."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def claimed():
    """Minor versions of Python 3 that can install the package."""
    low, high = re.fullmatch(
        r">=3\.(\d+),<3\.(\d+)", PYPROJECT["project"]["requires-python"]
    ).groups()
    return list(range(int(low), int(high)))


def test_classifiers_name_the_versions_that_install():
    named = [
        int(classifier.rpartition(".")[2])
        for classifier in PYPROJECT["project"]["classifiers"]
        if classifier.startswith("Programming Language :: Python :: 3.")
    ]
    assert named == claimed()


def test_these_tests_run_on_a_claimed_version():
    assert sys.version_info.major == 3
    assert sys.version_info.minor in claimed()


def test_types_are_checked_for_the_oldest_version():
    assert PYPROJECT["tool"]["mypy"]["python_version"] == f"3.{claimed()[0]}"


def test_the_lock_and_the_makefile_name_the_versions():
    names = [f"3.{minor}" for minor in claimed()]
    for file in ("constraints.txt", "Makefile"):
        first = (ROOT / file).read_text(encoding="utf-8").partition("\n")[0]
        assert re.findall(r"3\.\d+", first) == names
