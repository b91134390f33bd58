"""Optional dependencies: one sentence when they are missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).parents[1]


class MissingExtra(ModuleNotFoundError):
    """An optional dependency that is not installed; its text is one sentence for people."""


def require_extra(extra: str, *modules: str) -> None:
    """Raises unless the top-level modules that an extra of the package installs are there.

    Raises:
        MissingExtra: Naming the first missing module and the command that installs it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtra(
                f"This part of qkd-gym needs {module}, which is not installed: "
                f"pip install {_what(extra)}.",
                name=module,
            )


def _what(extra: str) -> str:
    """What pip installs an extra of: of the checkout that the package is in, or of a wheel."""
    is_checkout = (_ROOT / "pyproject.toml").is_file()
    return f'-e "{_ROOT}[{extra}]"' if is_checkout else f'"qkd-gym[{extra}]"'
