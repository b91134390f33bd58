"""Compiled code is found again exactly while what it is compiled from stays the same."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numba.core import caching

from qkd_gym import jit

SCALE = 2.0
HELPER = """
@inlined
def helper(x):
    return {body}

def function(x):
    '''{text}'''
    # {text}
    return helper(x) * SCALE
"""


def digest(body="x + 1.0", text="", scale=SCALE):
    scope = {"inlined": jit.inlined, "SCALE": scale}
    exec(HELPER.format(body=body, text=text), scope)
    return jit._digest(scope["function"])


def test_the_digest_follows_code_callees_and_constants_and_nothing_else():
    assert digest() == digest()
    assert digest() == digest(text="another comment")
    assert digest() != digest(body="x + 1.5")
    assert digest() != digest(body="x - 1.0")
    assert digest() != digest(scale=3.0)


def test_instructions_are_part_of_the_digest():
    def make(name):
        def generator(typing_context):
            return name

        scope = {"instruction": jit.instruction(generator)}
        exec("def function():\n    instruction()", scope)
        return jit._digest(scope["function"])

    def other(typing_context):
        return typing_context

    scope = {"instruction": jit.instruction(other)}
    exec("def function():\n    instruction()", scope)
    assert jit._digest(scope["function"]) != make("a")


def triple(x):
    for i in range(len(x)):
        x[i] *= 3.0


def test_what_numba_does_not_promise_is_still_there():
    """Options and attributes without a public name: a version of numba without them fails here."""
    dispatcher = jit.compiled(triple)
    assert dispatcher._cache._cache_file._source_stamp == jit._digest(triple)
    assert jit._NO_REFERENCE_COUNTS == {"_nrt": False}
    assert set(jit._NO_FACES) == {"no_cpython_wrapper", "no_cfunc_wrapper"}
    for decorate in (jit.compiled, jit.compiled_without_references):
        values = np.ones(3)
        decorate(triple)(values)
        assert values.tolist() == [3.0, 3.0, 3.0]
    assert dispatcher.targetoptions["nogil"]


def test_typed_once_is_the_function():
    function = jit.TypedOnce(jit.compiled(triple))
    for _ in range(2):
        values = np.ones(2)
        function(values)
        assert values.tolist() == [3.0, 3.0]


def test_without_a_folder_to_write_in_it_runs_uncached_with_one_warning(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    jit._warn_once.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first, second = jit.compiled(triple), jit.compiled_without_references(triple)
    assert [str(each.message) for each in caught if "NUMBA_CACHE_DIR" in str(each.message)]
    assert len(caught) == 1
    for function in (first, second):
        values = np.ones(2)
        function(values)
        assert values.tolist() == [3.0, 3.0]


def test_disabled_compilation_is_refused_in_one_sentence():
    done = subprocess.run(
        [sys.executable, "-c", "import qkd_gym.envs"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "NUMBA_DISABLE_JIT is set" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_comment_compiles_nothing_anew(tmp_path):
    """The step of a copied package, before and after a comment in every file that matters."""
    import shutil
    from pathlib import Path

    package = Path(jit.__file__).parent
    shutil.copytree(package, tmp_path / "qkd_gym", ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import time, gymnasium as gym, qkd_gym; env = gym.make('qkd_gym/LinkActivation-v0');"
        "start = time.process_time(); env.reset(seed=0); env.step(0);"
        "print(time.process_time() - start)"
    )

    def first_step_s():
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout)

    compiling_s = first_step_s()
    for file in (tmp_path / "qkd_gym").rglob("*.py"):
        with file.open("a") as source:
            source.write("\n# A comment.\n")
    assert first_step_s() < 0.2 * compiling_s
