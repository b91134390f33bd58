"""The page of the link-viability study: its text is in ``page.md``, its tables are made here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from qkd_gym.gnn.study.classical_predictors import SITE_POSTERIOR
from qkd_gym.gnn.study.comparison import BOUND, GNN
from qkd_gym.markdown import markdown_table

# What to write into a column, by its head.
_Columns = Mapping[str, Callable[[Any], str]]

_SCORES: _Columns = {
    "AUC": lambda row: f"{row['auc']:.3f}",
    "AP": lambda row: f"{row['average_precision']:.3f}",
    "Brier": lambda row: f"{row['brier']:.3f}",
    "log loss": lambda row: f"{row['log_loss']:.3f}",
    "ECE": lambda row: f"{row['calibration_error']:.3f}",
}
_TO_SITE_POSTERIOR: _Columns = {
    "AUC difference to site posterior": lambda case: _interval(
        case["difference"][SITE_POSTERIOR]["auc"], "+.4f"
    ),
}
_TO_BEST_PER_LINK: _Columns = {
    "Brier change from best per link": lambda case: _interval(
        case["difference"][case["best_per_link"]]["brier"], "+.1%"
    ),
}
_DIFFERENCES: _Columns = {
    "networks": lambda case: f"{case['networks']:,}",
    "links": lambda case: f"{case['links']:,}",
    "AUC difference to best per link": lambda case: _interval(
        case["difference"][case["best_per_link"]]["auc"], "+.3f"
    ),
    **_TO_SITE_POSTERIOR,
    **_TO_BEST_PER_LINK,
    "the same, exact posterior": lambda case: _interval(case["bound"]["brier"], "+.1%"),
}
_REAL: _Columns = {
    "sites": lambda case: str(case["sites"]),
    "km": lambda case: "{:.0f} to {:.0f}".format(*case["length_km"]),
    "viable": lambda case: f"{case['viable']:.0%}",
    "AUC": lambda case: _SCORES["AUC"](case["scores"][GNN]),
    "ECE": lambda case: _SCORES["ECE"](case["scores"][GNN]),
    "AUC, best per link": lambda case: _SCORES["AUC"](case["scores"][case["best_per_link"]]),
    "AUC, exact posterior": lambda case: _SCORES["AUC"](case["scores"][BOUND]),
    **_TO_SITE_POSTERIOR,
    **_TO_BEST_PER_LINK,
}
_QUALITY: _Columns = {
    "QBER": lambda row: f"{row['qber']:.2%}",
    "km": lambda row: f"{row['length_km']:.1f}",
}
_UNDER_LIMITS: _Columns = {
    "kbit/s": lambda row: f"{row['rate_bps'] / 1e3:.1f}",
    "links": lambda row: f"{row['links']:.1f}",
    **_QUALITY,
    "share of oracle": lambda row: _interval(row["share_of_oracle"], ".1%"),
    "difference": lambda row: _interval(row["difference"], "+.1%") if row["difference"] else "",
}
_WITHOUT_LIMIT: _Columns = {
    "kbit/s": lambda row: f"{row['rate_bps'] / 1e3:,.0f}",
    "links": lambda row: f"{row['links']:,.0f}",
    "kbit/s per link": lambda row: f"{row['rate_bps'] / 1e3 / max(row['links'], 1.0):.1f}",
    **_QUALITY,
}


def page(results: Mapping[str, Any]) -> str:
    """The page in Markdown.

    Args:
        results: What `qkd_gym.gnn.study.run.run` collected.
    """
    sizes, settings, real = results["sizes"], results["settings"], results["real"]
    limited, timings = results["network_level"], results["timings"]
    behind = [n for n, case in real.items() if case["difference"][SITE_POSTERIOR]["auc"][2] < 0.0]
    badly = [n for n, case in real.items() if case["scores"][GNN]["calibration_error"] > 0.03]
    template = resources.files("qkd_gym.gnn.study").joinpath("page.md")
    return template.read_text(encoding="utf-8").format(
        auc=_range(case["scores"][GNN]["auc"] for case in sizes.values()),
        auc_per_link=_range(
            case["scores"][case["best_per_link"]]["auc"] for case in sizes.values()
        ),
        auc_bound=_range(case["scores"][BOUND]["auc"] for case in sizes.values()),
        share_of_oracle=_range(
            case["rules"][GNN]["share_of_oracle"][0] for case in limited.values()
        ),
        viable=np.mean([case["viable"] for case in sizes.values()]),
        sizes=_score_table("sites", sizes),
        differences=_table(("sites",), _by_name(sizes), _DIFFERENCES),
        bound_note=_bound_note(sizes),
        settings=_score_table("setting", settings),
        setting_differences=_table(("setting",), _by_name(settings), _DIFFERENCES),
        real=_table(("network",), _by_name(real), _REAL),
        behind=", ".join(behind) or "none",
        badly_calibrated=", ".join(badly) or "none",
        simulator=_table(("sites",), _by_name(results["simulator"]), _SCORES),
        network=_limited_table(limited),
        unlimited=_table(
            ("sites", "links switched on"), _nested(results["without_limit"]), _WITHOUT_LIMIT
        ),
        noise_free=_noise_free_table(results["noise_free"]),
        parameters=timings["parameters"],
        load_ms=timings["load_s"] * 1e3,
        large_links=timings["large_links"],
        large_ms=timings["large_s"] * 1e3,
        forward=timings["forward_us_per_graph"],
        both=timings["forward_backward_us_per_graph"],
        threads=timings["threads"],
    )


def _range(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found), max(found)


def _interval(value: Sequence[float], form: str) -> str:
    middle, low, high = (format(part, form) for part in value)
    return f"{middle} ({low} to {high})"


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


def _table(
    heads: Sequence[str], rows: Iterable[tuple[Sequence[str], Any]], columns: _Columns
) -> str:
    """A table of rows that are named by their first cells."""
    cells = ([*names, *(write(row) for write in columns.values())] for names, row in rows)
    return markdown_table((*heads, *columns), cells)


def _by_name(cases: Mapping[str, Any]) -> Iterable[tuple[Sequence[str], Any]]:
    return (((name,), case) for name, case in cases.items())


def _nested(cases: Mapping[str, Any]) -> Iterable[tuple[Sequence[str], Any]]:
    return (((n, name), row) for n, case in cases.items() for name, row in case.items())


def _score_table(head: str, cases: Mapping[str, Any]) -> str:
    graph_network_first = {
        name: {GNN: case["scores"][GNN], **case["scores"]} for name, case in cases.items()
    }
    return _table((head, "predictor"), _nested(graph_network_first), _SCORES)


def _limited_table(cases: Mapping[str, Any]) -> str:
    """A table of the rules from the worst to the best."""
    by_rate = {
        n: dict(sorted(case["rules"].items(), key=lambda item: item[1]["rate_bps"]))
        for n, case in cases.items()
    }
    for rules in by_rate.values():
        rules[GNN] = {**rules[GNN], "difference": None}
    return _table(("sites", "rule"), _nested(by_rate), _UNDER_LIMITS)


def _noise_free_table(cases: Mapping[str, Any]) -> str:
    names = [name for name in next(iter(cases.values())) if name != "networks"]
    rows = [
        [f"{head}, {n} sites", *(f"{case[name][key]:.3f}" for name in names)]
        for head, key in (("AUC", "auc"), ("AP", "average_precision"))
        for n, case in cases.items()
    ]
    return markdown_table(("", *names), rows)
