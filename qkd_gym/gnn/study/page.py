"""The page of the link-viability study: its text is in ``page.md``, its tables are made here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import numpy as np

from qkd_gym.gnn.study.classical_predictors import SITE_POSTERIOR
from qkd_gym.gnn.study.comparison import BOUND, GNN, UNTOLD_BOUND
from qkd_gym.markdown import markdown_table


def _interval(field: str, form: str) -> str:
    """The template of a value and its interval."""
    middle, low, high = (f"{{{field}[{i}]:{form}}}" for i in range(3))
    return f"{middle} ({low} to {high})"


# Columns of the tables: by head a template, which is filled in with the row's fields.
_SCORES = {
    "AUC": "{auc:.3f}",
    "AP": "{average_precision:.3f}",
    "Brier": "{brier:.3f}",
    "log loss": "{log_loss:.3f}",
    "ECE": "{calibration_error:.3f}",
}
_TO_OTHERS = {
    "AUC difference to site posterior": _interval(f"difference[{SITE_POSTERIOR}][auc]", "+.4f"),
    "Brier change from best per link": _interval("to_best[brier]", "+.1%"),
}
_DIFFERENCES = {
    "networks": "{networks:,}",
    "links": "{links:,}",
    "AUC difference to best per link": _interval("to_best[auc]", "+.3f"),
    "AUC difference to exact posterior": _interval(f"difference[{BOUND}][auc]", "+.4f"),
    "the same, not told": _interval(f"difference[{UNTOLD_BOUND}][auc]", "+.4f"),
    **_TO_OTHERS,
    "Brier change, exact posterior": _interval("bound[brier]", "+.1%"),
}
_REAL = {
    "sites": "{sites}",
    "km": "{length_km[0]:.0f} to {length_km[1]:.0f}",
    "viable": "{viable:.0%}",
    "AUC": f"{{scores[{GNN}][auc]:.3f}}",
    "ECE": f"{{scores[{GNN}][calibration_error]:.3f}}",
    "AUC, best per link": "{best[auc]:.3f}",
    "AUC, exact posterior": f"{{scores[{BOUND}][auc]:.3f}}",
    "AUC, not told": f"{{scores[{UNTOLD_BOUND}][auc]:.3f}}",
    "ECE, exact posterior": f"{{scores[{BOUND}][calibration_error]:.3f}}",
    "ECE, not told": f"{{scores[{UNTOLD_BOUND}][calibration_error]:.3f}}",
    **_TO_OTHERS,
}
_QUALITY = {"QBER": "{qber:.2%}", "km": "{length_km:.1f}"}
_AHEAD = _interval("difference", "+.1%")
_UNDER_LIMITS = {
    "kbit/s": "{rate_kbps:.1f}",
    "links": "{links:.1f}",
    **_QUALITY,
    "share of oracle": _interval("share_of_oracle", ".1%"),
    "difference": "{ahead}",
}
_WITHOUT_LIMIT = {
    "kbit/s": "{rate_kbps:,.0f}",
    "links": "{links:,.0f}",
    "kbit/s per link": "{kbps_per_link:.1f}",
    **_QUALITY,
}


def page(results: Mapping[str, Any]) -> str:
    """The page in Markdown.

    Args:
        results: What `qkd_gym.gnn.study.run.run` collected.
    """
    sizes, settings, real = (_to_best(results[part]) for part in ("sizes", "settings", "real"))
    sparse = {name: _to_best(cases) for name, cases in results["sparse"].items()}
    # From the worst rule to the best.
    limited = {
        n: dict(sorted(case["rules"].items(), key=lambda rule: rule[1]["rate_bps"]))
        for n, case in results["network_level"].items()
    }
    timings = results["timings"]
    behind = [n for n, case in real.items() if case["difference"][SITE_POSTERIOR]["auc"][2] < 0.0]
    badly = [n for n, case in real.items() if case["scores"][GNN]["calibration_error"] > 0.03]
    command = "python -m qkd_gym.gnn.study"
    if results["effort"] != 1.0:
        command += f" --effort {results['effort']:g}"
    template = resources.files("qkd_gym.gnn.study").joinpath("page.md")
    return template.read_text(encoding="utf-8").format(
        command=command,
        fitted=results["fitted_networks"],
        auc=_range(case["scores"][GNN]["auc"] for case in sizes.values()),
        auc_per_link=_range(case["best"]["auc"] for case in sizes.values()),
        auc_bound=_range(case["scores"][BOUND]["auc"] for case in sizes.values()),
        share_of_oracle=_range(rules[GNN]["share_of_oracle"][0] for rules in limited.values()),
        viable=np.mean([case["viable"] for case in sizes.values()]),
        sizes=_score_table("sites", sizes),
        differences=_table(sizes, _DIFFERENCES, "sites"),
        bound_note=_bound_note(sizes),
        settings=_score_table("setting", settings),
        setting_differences=_table(settings, _DIFFERENCES, "setting"),
        real=_table(real, _REAL, "network"),
        sparse=_table(sparse, _REAL, "setting", "network"),
        behind=", ".join(behind) or "none",
        badly_calibrated=", ".join(badly) or "none",
        simulator=_table(results["simulator"], _SCORES, "sites"),
        network=_rules_table(limited, _UNDER_LIMITS, "rule"),
        unlimited=_rules_table(results["without_limit"], _WITHOUT_LIMIT, "links switched on"),
        noise_free=_noise_free_table(results["noise_free"]),
        load_ms=timings["load_s"] * 1e3,
        large_ms=timings["large_s"] * 1e3,
        **timings,
    )


def _to_best(cases: Mapping[str, Any]) -> dict[str, Any]:
    """Cases with the scores of the best predictor per link, and the difference to it."""
    return {
        name: {
            **case,
            "best": case["scores"][case["best_per_link"]],
            "to_best": case["difference"][case["best_per_link"]],
        }
        for name, case in cases.items()
    }


def _range(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found), max(found)


def _bound_note(sizes: Mapping[str, Any]) -> str:
    short = [
        f"{n} sites ({case['bound']['brier'][0]:+.1%})"
        for n, case in sizes.items()
        if case["bound"]["brier"][0] > -0.2
    ]
    if not short:
        return "The exact posterior's Brier score is at least a fifth lower at every size."
    return (
        "A Brier score a fifth lower than that of the best predictor per link is out of reach of "
        f"even the exact posterior at {', '.join(short)}: few measurements bear on each site "
        "there, and much of what decides viability, drift and the excess loss of unmeasured links, "
        "is independent from link to link."
    )


def _table(cases: Mapping[str, Any], columns: Mapping[str, str], *heads: str) -> str:
    """A table with a row per case or, under two heads, a row per part of each case."""
    named: dict[tuple[str, ...], Any] = {(name,): case for name, case in cases.items()}
    if len(heads) == 2:
        named = {(n, name): row for n, case in cases.items() for name, row in case.items()}
    rows = (
        [*names, *(form.format_map(row) for form in columns.values())]
        for names, row in named.items()
    )
    return markdown_table((*heads, *columns), rows)


def _score_table(head: str, cases: Mapping[str, Any]) -> str:
    return _table({n: case["scores"] for n, case in cases.items()}, _SCORES, head, "predictor")


def _rules_table(cases: Mapping[str, Any], columns: Mapping[str, str], head: str) -> str:
    """A table of rules by number of sites; the graph network is not ahead of itself."""
    rows = {
        n: {
            name: {
                **row,
                "rate_kbps": row["rate_bps"] / 1e3,
                "kbps_per_link": row["rate_bps"] / 1e3 / max(row["links"], 1.0),
                "ahead": _AHEAD.format_map(row) if name != GNN and "difference" in row else "",
            }
            for name, row in rules.items()
        }
        for n, rules in cases.items()
    }
    return _table(rows, columns, "sites", head)


def _noise_free_table(cases: Mapping[str, Any]) -> str:
    names = [name for name in next(iter(cases.values())) if name != "networks"]
    rows = [
        [f"{head}, {n} sites", *(f"{case[name][key]:.3f}" for name in names)]
        for head, key in (("AUC", "auc"), ("AP", "average_precision"))
        for n, case in cases.items()
    ]
    return markdown_table(("", *names), rows)
