"""Policies by name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from qkd_gym.baselines import activation, admission, bid_price, mpc, planned, routing, tuned
from qkd_gym.baselines.lookahead import Lookahead
from qkd_gym.baselines.policy import RulePolicy
from qkd_gym.baselines.rules import RandomChoice, Tunable
from qkd_gym.envs.tasks import LINK_ACTIVATION, ROUTING, TASKS, Task
from qkd_gym.errors import InvalidInput, require_choice, require_known_keys

ACTIVATION_RULES: dict[str, type[Any]] = {
    "random": RandomChoice,
    "static-plan": activation.StaticPlan,
    "lowest-pool-first": activation.LowestPoolFirst,
    "threshold": activation.Threshold,
    "shortfall": activation.Shortfall,
    "lp-round-robin": planned.LPRoundRobin,
    "periodic-plan": planned.PeriodicPlan,
    "proportional-fair": planned.ProportionalFair,
    "max-weight": activation.MaxWeight,
    "max-weight-no-hysteresis": activation.MaxWeightNoHysteresis,
    "max-weight-matching": planned.MaxWeightMatching,
    "demand-deficit": activation.DemandDeficit,
    "lookahead": Lookahead,
    "mpc": mpc.PredictiveControl,
    "mpc-belief": mpc.BeliefControl,
}
ROUTING_RULES: dict[str, type[Any]] = {
    "random": RandomChoice,
    "shortest-path": routing.ShortestPath,
    "shortest-distance": routing.ShortestDistance,
    "widest-path": routing.WidestPath,
    "widest-shortest-path": routing.WidestShortestPath,
    "least-loaded-path": routing.LeastLoadedPath,
    "exponential-price": routing.ExponentialPrice,
    "inverse-key": routing.InverseKey,
    "back-pressure": routing.BackPressure,
    "trunk-reservation": routing.TrunkReservation,
    "class-reservation": admission.ClassReservation,
    "bid-price": bid_price.BidPrice,
}

# Combinations that play `Network` by default: the strongest rule for links with every kind of
# rule for paths, and the built-in router's rule with the other strong rules for links.
_JOINT = (
    "random",
    "static-plan",
    "demand-deficit+shortest-path",
    "demand-deficit+widest-path",
    "demand-deficit+exponential-price",
    "demand-deficit+back-pressure",
    "demand-deficit+trunk-reservation",
    "max-weight+exponential-price",
    "lowest-pool-first+exponential-price",
)


def available_policies() -> tuple[str, ...]:
    """Names that `make_policy` accepts; an activation and a routing rule may be joined by ``+``."""
    return tuple(dict.fromkeys([*ACTIVATION_RULES, *ROUTING_RULES]))


def fast_policies(task: Task) -> tuple[str, ...]:
    """Baselines that play a task in microseconds per decision, in the order of reports."""
    if task.decides_links and task.decides_paths:
        return _JOINT
    rules = ROUTING_RULES if task.decides_paths else ACTIVATION_RULES
    return tuple(name for name in rules if not solves_programs(name))


def is_baseline(name: str) -> bool:
    """Whether `make_policy` accepts a name."""
    try:
        _rules(name)
    except InvalidInput:
        return False
    return True


def solves_programs(name: str) -> bool:
    """Whether a baseline solves a program per decision, which takes milliseconds.

    Raises:
        InvalidInput: If there is no such baseline.
    """
    return any(getattr(rule, "solves_programs", False) for _, rule in _rules(name).values())


def parameter_names(name: str) -> tuple[str, ...]:
    """Parameters that `make_policy` accepts for a baseline.

    Raises:
        InvalidInput: If there is no such baseline.
    """
    return tuple(dict.fromkeys(k for _, rule in _rules(name).values() for k in _parameters(rule)))


def task_of_rule(name: str) -> Task:
    """The task in which a single rule's decision is the only one.

    Args:
        name: A rule for links or for paths; `random`, which is both, counts as one for links.

    Raises:
        InvalidInput: If there is no such baseline.
    """
    task, _ = _split(name)
    if task is not None:
        return task
    return LINK_ACTIVATION if "links" in _rules(name) else ROUTING


def make_policy(name: str, *, scenario: str | None = None, **parameters: Any) -> RulePolicy:
    """Makes a baseline.

    A rule for links plays `LinkActivation`, a rule for paths `Routing`, and both play `Network`,
    alone or joined: ``make_policy("demand-deficit+exponential-price")``. A rule alone is completed
    there by `static-plan` or `exponential-price`; `random` draws both.

    A rule for links plays `LinkScheduling` too, where scored rules say themselves which links make
    way; ``"LinkScheduling:demand-deficit"`` has the parameters that were tuned there.

    A rule's parameters are its defaults, which were tuned for `metro`, unless ``scenario`` names
    a scenario for which others ship with the package; see `qkd_gym.baselines.tuned`.

    Args:
        name: One of `available_policies`, or two of them joined by ``+``, links first; before a
            colon the short name of the environment that it is to play.
        scenario: Scenario whose tuned parameters to use.
        **parameters: Parameters of the rules, for instance ``hysteresis``, before tuned ones.

    Raises:
        InvalidInput: On an unknown name or parameter, or a value outside its range.
    """
    require_known_keys(f"policy {name!r}", parameters, parameter_names(name))
    task, _ = _split(name)
    made = {}
    for decision, (rule_name, rule) in _rules(name).items():
        given = {key: parameters[key] for key in _parameters(rule) if key in parameters}
        # What was not tuned for an environment has what was tuned where its decision is alone.
        known = tuned.parameters(in_environment(rule_name, task), scenario)
        known = known or tuned.parameters(rule_name, scenario)
        made[decision] = rule(**(known | given))
    fallbacks = activation.StaticPlan(), routing.ExponentialPrice()
    # What plays one environment only says so.
    task = next((rule.task for rule in made.values() if hasattr(rule, "task")), task)
    return RulePolicy(
        name, made.get("links"), made.get("paths"), *fallbacks, task.env_id if task else None
    )


def in_environment(name: str, task: Task | None) -> str:
    """The name of a baseline as it is tuned for an environment.

    Args:
        name: A baseline, which may name its environment already.
        task: The environment; None for the one in which its decision is the only one.
    """
    if task is None or not task.decides_releases or ":" in name:
        return name
    return f"{task.name}:{name}"


def _split(name: str) -> tuple[Task | None, str]:
    """The environment that a baseline's name has before a colon, if any, and the rest of it."""
    environment, colon, rule = str(name).rpartition(":")
    if not colon:
        return None, str(name)
    require_choice("policy (before the colon)", environment, TASKS)
    return TASKS[environment], rule


def search_space(name: str) -> dict[str, Sequence[float]]:
    """Parameters of a single rule and the values that tuning tries for them.

    Raises:
        InvalidInput: If there is no such rule, or it has no parameters to tune.
    """
    _, name = _split(name)
    spaces = {
        key: rule.search_space()
        for key, rule in (ACTIVATION_RULES | ROUTING_RULES).items()
        if issubclass(rule, Tunable) and rule.search_space()
    }
    require_choice("policy", name, spaces)
    return spaces[name]


def _parameters(rule: type[Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(rule).parameters)


def _rules(name: str) -> dict[str, tuple[str, type[Any]]]:
    """Name and class of the rules for ``"links"`` and ``"paths"`` that a baseline consists of."""
    _, name = _split(name)
    links, plus, paths = name.partition("+")
    if plus:
        require_choice("policy (links)", links, ACTIVATION_RULES)
        require_choice("policy (paths)", paths, ROUTING_RULES)
    else:
        require_choice("policy", name, available_policies())
        paths = links
    named = (("links", links, ACTIVATION_RULES), ("paths", paths, ROUTING_RULES))
    return {what: (part, rules[part]) for what, part, rules in named if part in rules}
