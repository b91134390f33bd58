"""How the package's functions are compiled, and when what was compiled is used again."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from numba import config, njit, typeof
from numba.extending import intrinsic

if config.DISABLE_JIT:  # type: ignore[attr-defined]
    raise RuntimeError(
        "NUMBA_DISABLE_JIT is set, but qkd-gym simulates in compiled code alone, which reads "
        "records and processor instructions that Python does not have: unset it."
    )

# Numba counts references to every array that a function is passed; without that a step takes half
# the time. The option has no public name. What it is given must be kept in use by the caller, and
# it can allocate nothing.
_NO_REFERENCE_COUNTS: dict[str, Any] = {"_nrt": False}

# Without faces for Python and C, which nobody uses, functions compile in half the time.
_NO_FACES: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# For functions that only compiled code calls: they become part of their callers. Divisions do not
# check for zero, so loops with them can be vector instructions.
inlined: Any = njit(error_model="numpy", forceinline=True, **_NO_FACES, **_NO_REFERENCE_COUNTS)

# The same as functions of their own, where much code is called from several places: that compiles
# several times as fast.
called: Any = njit(error_model="numpy", **_NO_FACES, **_NO_REFERENCE_COUNTS)


def compiled(function: Callable[..., Any]) -> Any:
    """Compiles what Python calls, without Python's lock, and keeps the result on disk.

    Args:
        function: What to compile, in the subset of Python that numba knows.
    """
    return _cached(function)


def compiled_without_references(function: Callable[..., Any]) -> Any:
    """Compiles what Python calls at every step, see `compiled`; such calls cost a fifth less.

    Args:
        function: What to compile. It allocates nothing, and the caller keeps in use what it passes.
    """
    return _cached(function, error_model="numpy", **_NO_REFERENCE_COUNTS)


def _cached(function: Callable[..., Any], **options: Any) -> Any:
    try:
        dispatcher = njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba finds no folder that can be written
        _warn_once()
        return njit(nogil=True, **options)(function)
    # Numba would look at the age of this function's own file, but most of what is compiled lives
    # in others. What it compares has no public name.
    dispatcher._cache._cache_file._source_stamp = _digest(function)
    return dispatcher


def _digest(function: Callable[..., Any]) -> str:
    """Changes with whatever a function is compiled from, and with nothing else.

    That is its own code, that of the functions it calls, and the values of the constants that they
    read. What it is passed is for numba to compare.
    """
    return hashlib.sha256("\n".join(_ingredients(function, set())).encode()).hexdigest()


def _ingredients(function: Any, seen: set[CodeType]) -> Iterator[str]:
    if function.__code__ in seen:
        return
    for code in _with_inner(function.__code__):
        seen.add(code)
        values = [c for c in code.co_consts if not isinstance(c, CodeType)]
        constants = [c for c in values if c != function.__doc__]
        yield repr((code.co_code, constants, code.co_names, code.co_varnames))
        for name in code.co_names:
            value = function.__globals__.get(name)
            value = getattr(value, "py_func", value)
            if isinstance(value, FunctionType):
                yield from _ingredients(value, seen)
            elif not isinstance(value, ModuleType):
                yield f"{name}={value!r}{getattr(value, '_fields', '')}"


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


@cache
def _warn_once() -> None:
    warnings.warn(
        "qkd-gym compiles anew in every process, since neither its folder nor your home can be "
        "written: set NUMBA_CACHE_DIR to a folder that can.",
        RuntimeWarning,
        stacklevel=2,
    )


def is_kept(function: Any) -> bool:
    """Whether disk holds what was compiled of a function, for whatever types.

    Args:
        function: From `compiled` or `compiled_without_references`, also as `TypedOnce`.
    """
    dispatcher = function.function if isinstance(function, TypedOnce) else function
    file = getattr(dispatcher._cache, "_cache_file", None)  # none if no folder can be written
    return file is not None and bool(file._load_index())


class TypedOnce:
    """A compiled function that looks up the types of its arguments at its first call only.

    Numba's look at some forty arrays takes three quarters of the step of one environment. Nothing
    notices other types later: arrays must keep their dtype, axes and contiguity.

    Args:
        function: From `compiled` or `compiled_without_references`.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """Calls the function with arguments of the types of its first call."""
        if self._compiled is None:
            self._compiled = self.function.compile(tuple(typeof(each) for each in arguments))
        return self._compiled(*arguments)


def instruction(generator: Callable[..., Any]) -> Any:
    """A processor's instruction as a function of compiled code.

    Args:
        generator: What `numba.extending.intrinsic` takes: typing context and argument types to
            signature and code generator.
    """
    made: Any = intrinsic(generator)
    made.py_func = generator  # part of the digest
    return made
