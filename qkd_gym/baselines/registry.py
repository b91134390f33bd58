"""Policies by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from qkd_gym.baselines import activation, mpc, planned, routing, tuned
from qkd_gym.baselines.policy import AnyRule, RulePolicy
from qkd_gym.baselines.rules import RandomChoice, Tunable
from qkd_gym.errors import require_choice, require_known_keys

ACTIVATION_RULES: dict[str, Callable[..., AnyRule]] = {
    "random": RandomChoice,
    "static-plan": activation.StaticPlan,
    "lowest-pool-first": activation.LowestPoolFirst,
    "threshold": activation.Threshold,
    "lookahead": activation.Lookahead,
    "lp-round-robin": planned.LPRoundRobin,
    "periodic-plan": planned.PeriodicPlan,
    "proportional-fair": planned.ProportionalFair,
    "max-weight": activation.MaxWeight,
    "max-weight-no-hysteresis": activation.MaxWeightNoHysteresis,
    "max-weight-matching": planned.MaxWeightMatching,
    "demand-deficit": activation.DemandDeficit,
    "mpc": mpc.PredictiveControl,
    "mpc-belief": mpc.BeliefControl,
}
ROUTING_RULES: dict[str, Callable[..., AnyRule]] = {
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
}


def available_policies() -> tuple[str, ...]:
    """Names that `make_policy` accepts; an activation and a routing rule may be joined by ``+``."""
    return tuple(dict.fromkeys([*ACTIVATION_RULES, *ROUTING_RULES]))


def make_policy(name: str, *, scenario: str | None = None, **parameters: Any) -> RulePolicy:
    """Makes a baseline.

    A rule for links plays `LinkActivation`, a rule for paths `Routing`, and both play `Network`,
    alone or joined: ``make_policy("demand-deficit+exponential-price")``. A rule alone is completed
    there by `static-plan` or `exponential-price`; `random` draws both.

    A rule's parameters are its defaults, which were tuned for `metro`, unless ``scenario`` names
    a scenario for which others ship with the package; see `qkd_gym.baselines.tuned`.

    Args:
        name: One of `available_policies`, or two of them joined by ``+``, links first.
        scenario: Scenario whose tuned parameters to use.
        **parameters: Parameters of the rules, for instance ``hysteresis``, before tuned ones.

    Raises:
        InvalidInput: On an unknown name or parameter, or a value outside its range.
    """
    first, plus, second = str(name).partition("+")
    chosen: tuple[Callable[..., AnyRule] | None, Callable[..., AnyRule] | None]
    if plus:
        require_choice("policy (links)", first, ACTIVATION_RULES)
        require_choice("policy (paths)", second, ROUTING_RULES)
        names = (first, second)
        chosen = (ACTIVATION_RULES[first], ROUTING_RULES[second])
    else:
        require_choice("policy", name, available_policies())
        names = (name, name)
        chosen = (ACTIVATION_RULES.get(name), ROUTING_RULES.get(name))
    fields = [() if rule is None else _parameters(rule) for rule in chosen]
    require_known_keys(
        f"policy {name!r}", parameters, list(dict.fromkeys([*fields[0], *fields[1]]))
    )
    links, paths = (
        None
        if rule is None
        else rule(
            **(
                tuned.parameters(part, scenario)
                | {k: parameters[k] for k in known if k in parameters}
            )
        )
        for rule, known, part in zip(chosen, fields, names, strict=True)
    )
    return RulePolicy(name, links, paths, activation.StaticPlan(), routing.ExponentialPrice())


def search_space(name: str) -> dict[str, Sequence[float]]:
    """Parameters of a single rule and the values that tuning tries for them.

    Raises:
        InvalidInput: If there is no such rule, or it has no parameters to tune.
    """
    rules = ACTIVATION_RULES | ROUTING_RULES
    tunable = {
        key: rule
        for key, rule in rules.items()
        if inspect.isclass(rule) and issubclass(rule, Tunable) and rule.search_space()
    }
    require_choice("policy", name, tunable)
    return tunable[name].search_space()


def _parameters(rule: Callable[..., AnyRule]) -> tuple[str, ...]:
    if inspect.isclass(rule) and rule.__init__ is object.__init__:
        return ()
    return tuple(inspect.signature(rule).parameters)
