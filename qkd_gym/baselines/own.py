"""Policies of users' own by ``module:Class``, for command lines alone.

To name a module on a command line is to run it. Nothing else imports by name: neither `make_policy`
nor whatever reads recipes, agents' folders, journals and episode files.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path
from typing import Any

from qkd_gym.baselines.policy import Policy
from qkd_gym.envs.tasks import TASKS
from qkd_gym.errors import InvalidInput, shown
from qkd_gym.scoring.agents import PREFIX


def is_own(word: str) -> bool:
    """Whether a word reads as ``module:Class``, and not as an agent or a baseline of another
    environment."""
    module, colon, name = word.partition(":")
    dotted = all(part.isidentifier() for part in module.split("."))
    is_other = word.startswith(PREFIX) or module in TASKS
    return bool(colon) and dotted and name.isidentifier() and not is_other


def has_module(word: str) -> bool:
    """Whether there is a module of the name before the colon, as far as its first dot."""
    _look_here()
    name = word.partition(":")[0].partition(".")[0]
    return name in sys.modules or importlib.util.find_spec(name) is not None


def _look_here() -> None:
    """Has modules be found in the working directory, after all others."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def own_class(word: str) -> Any:
    """Imports the class of ``module:Class``, from the working directory too.

    Raises:
        InvalidInput: If the module cannot be imported or has no such class.
    """
    module_name, _, name = word.partition(":")
    _look_here()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a module does when it is imported
        raise InvalidInput(
            f"policy is {shown(word)}, but importing {shown(module_name)} raises "
            f"{type(error).__name__}: {shown(str(error), 120)}."
        ) from error
    kind = getattr(module, name, None)
    if not isinstance(kind, type) or not callable(getattr(kind, "predict", None)):
        raise InvalidInput(
            f"policy is {shown(word)}, but {name} of {shown(module_name)} is {shown(kind)}, and "
            "must be a class with a method predict."
        )
    return kind


def make_own(word: str, scenario: str | None = None) -> Policy:
    """Makes a policy of the class of ``module:Class``.

    It is made without arguments, or with the keyword ``scenario`` if its class takes that.

    Args:
        word: What the command line says.
        scenario: Name of the scenario that it is to play; None for one without a name.

    Raises:
        InvalidInput: See `own_class`.
    """
    kind = own_class(word)
    takes_scenario = "scenario" in inspect.signature(kind).parameters
    policy: Policy = kind(scenario=scenario) if takes_scenario else kind()
    return policy


def own_digest(word: str) -> str:
    """Changes with the file of the class of ``module:Class``, as hexadecimal digits."""
    file = inspect.getsourcefile(own_class(word))
    return hashlib.sha256(Path(file).read_bytes() if file else b"").hexdigest()
