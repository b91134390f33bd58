"""Optional dependencies: one sentence when they are missing."""

from __future__ import annotations

from importlib.util import find_spec


class MissingExtra(ModuleNotFoundError):
    """An optional dependency that is not installed, in one sentence."""


def require_extra(extra: str, *modules: str) -> None:
    """Raises unless the top-level modules that an extra of the package installs are there.

    Raises:
        MissingExtra: Naming the first missing module and the command that installs it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtra(
                f"This part of qkd-gym needs {module}, which is not installed: "
                f"pip install 'qkd-gym[{extra}]'.",
                name=module,
            )
