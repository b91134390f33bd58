"""The page that sets the source study's claims beside what this package measures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qkd_gym.markdown import markdown_table

TEMPLATE = Path(__file__).with_suffix(".md")
# The study's total key rates before and after its optimisation.
BEFORE_KBPS, AFTER_KBPS = 27.1, 470.0


def shown(interval: Sequence[float], form: str = ".1f", scale: float = 1.0) -> str:
    """A mean with its 95 % interval."""
    mean, low, high = (format(scale * value, form) for value in interval)
    return f"{mean} [{low}, {high}]"


def published(results: str, scenario: str, policy: str) -> dict[str, str]:
    """The cells of a policy's row in RESULTS.md, by the head of their column.

    Args:
        results: The file's text.
        scenario: Heading of a section, of which the first one that has the policy counts.
        policy: First cell of the row.

    Raises:
        LookupError: If there is no such row.
    """
    for section in re.split(r"^##? ", results, flags=re.MULTILINE):
        title, _, body = section.partition("\n")
        lines = [line.strip("| ").split(" | ") for line in body.splitlines() if line[:1] == "|"]
        if title == scenario:
            for cells in lines[2:]:
                if cells[0] == policy:
                    return dict(zip(lines[0], cells, strict=True))
    raise LookupError(f"RESULTS.md has no row {policy!r} for {scenario!r}.")


def by_size(measured: Mapping[str, Any]) -> str:
    """What the study reports of its networks, measured."""
    rows = []
    for n, of_n in measured["sizes"].items():
        rows.append(
            (
                n,
                shown(of_n["links"], ",.0f"),
                shown(of_n["degree"]),
                shown(of_n["length_km"], ".2f"),
                shown(of_n["key_bps, usual"], ",.0f", 1e-3),
                shown(of_n["qber, usual"], ".4f", 100.0),
                shown(of_n["key_bps, theirs"], ",.0f", 1e-3),
                shown(of_n["qber, theirs"], ".4f", 100.0),
            )
        )
    header = ("sites", "links", "degree", "mean km", "kbit/s, 1.5 %", "QBER (%), 1.5 %")
    return markdown_table((*header, "kbit/s, 6 %", "QBER (%), 6 %"), rows)


def under_limits(measured: Mapping[str, Any]) -> str:
    """All links beside the best ones for two modules at every site."""
    rows = [
        (
            n,
            shown(of_n["best links"], ".0f"),
            shown(of_n["best key_bps"], ",.0f", 1e-3),
            shown(of_n["best length_km"], ".2f"),
            shown(of_n["all to best"]),
        )
        for n, of_n in measured["sizes"].items()
    ]
    header = ("sites", "links that run", "kbit/s", "mean km", "all links make times as much")
    return markdown_table(header, rows)


def prediction(viability: Mapping[str, Any]) -> str:
    """Link prediction by size, on geometry and where quality is hidden."""
    rows = []
    for n, scores in viability["noise_free"].items():
        plain = (scores[name] for name in ("gnn", "jaccard", "distance"))
        facts = viability["sizes"][n]
        hidden = facts["scores"]["graph network"]
        rows.append(
            (
                n,
                str(scores["networks"]),
                *(f"{each['auc']:.3f} / {each['average_precision']:.3f}" for each in plain),
                f"{hidden['auc']:.3f} / {hidden['average_precision']:.3f}",
                shown(facts["difference"][facts["best_per_link"]]["auc"], "+.3f"),
            )
        )
    header = ("sites", "networks", "graph network", "Jaccard", "distance", "hidden quality")
    return markdown_table((*header, "there, AUC to best per link"), rows)


def page(measured: Mapping[str, Any], viability: Mapping[str, Any], results: str) -> str:
    """The page in Markdown.

    Args:
        measured: Content of docs/source-study.json.
        viability: Content of docs/viability.json.
        results: Text of RESULTS.md.
    """
    return TEMPLATE.read_text(encoding="utf-8").format(
        seeds=measured["seeds"],
        episodes=measured["episodes"],
        by_size=by_size(measured),
        under_limits=under_limits(measured),
        prediction=prediction(viability),
        free_space=shown(measured["free space"], ".0f", 100.0),
        **_of_networks(measured["sizes"], measured["growth"]),
        **_of_one_link(measured["one link"]),
        **_of_choices(viability),
        **_of_policies(measured, results),
    )


def _of_networks(sizes: Mapping[str, Any], grown: Mapping[str, Any]) -> dict[str, str]:
    small, of_20, of_100, large = (sizes[n] for n in ("10", "20", "100", "250"))
    return {
        "degree_small": shown(small["degree"]),
        "degree_large": shown(large["degree"]),
        "links_exponent": shown(grown["links"], ".2f"),
        "all_exponent": shown(grown["key"], ".2f"),
        "best_exponent": shown(grown["best key"], ".2f"),
        "all_times": shown(grown["times"], ".0f"),
        "times_100": shown(of_100["all to best"]),
        "all_km": shown(of_20["length_km"], ".2f"),
        "best_km": shown(of_20["best length_km"], ".2f"),
    }


def _of_one_link(link: Mapping[str, Any]) -> dict[str, str]:
    before, after = (1e-3 * rate for rate in link["theirs"]["key_bps"])
    qber = [100.0 * each for each in link["theirs"]["qber"]]
    fibre_db, free_db = link["loss_db"]
    return {
        "rate_before": f"{before:.2f}",
        "rate_after": f"{after:.2f}",
        "count_before": f"{BEFORE_KBPS / before:.0f}",
        "count_after": f"{AFTER_KBPS / after:.0f}",
        "dark": f"{link['none']['qber'][0]:.1e}",
        "theirs_before": f"{qber[0]:.4f}",
        "theirs_after": f"{qber[1]:.4f}",
        "qber_distance": f"{qber[0] - qber[1]:.5f}",
        "protocols": ", ".join(
            f"`{name}` {1e-3 * rate:,.1f}" for name, rate in link["protocols"].items()
        ),
        "fibre_db": f"{fibre_db:.1f}",
        "free_db": f"{free_db:.1f}",
    }


def _of_choices(viability: Mapping[str, Any]) -> dict[str, str]:
    rules = viability["network_level"]["20"]["rules"]
    share, low, high = rules["random"]["share_of_oracle"]
    switched_on = viability["without_limit"]["20"]
    predicted = {n: scores["gnn"] for n, scores in viability["noise_free"].items()}
    return {
        "at_most": shown((1.0 / share, 1.0 / high, 1.0 / low), ".2f"),
        "random_share": shown(rules["random"]["share_of_oracle"], ".1%"),
        "network_share": shown(rules["graph network"]["share_of_oracle"], ".1%"),
        "qber_before": f"{100.0 * switched_on['all links']['qber']:.2f}",
        "qber_after": f"{100.0 * switched_on['all that look viable']['qber']:.2f}",
        "auc": f"{predicted['20']['auc']:.3f}",
        "ap": f"{predicted['20']['average_precision']:.3f}",
        "auc_large": f"{predicted['250']['auc']:.3f}",
    }


def _of_policies(measured: Mapping[str, Any], results: str) -> dict[str, str]:
    def share(scenario: str, policy: str) -> str:
        return published(results, scenario, policy)["delivered share [95 %]"]

    recovery, seeing = measured["recovery_s"], measured["seeing"]
    best = "LinkScheduling:demand-deficit"
    return {
        "metro_agent": share("metro", "agent:metro"),
        "metro_rule": share("metro", best),
        "metro_single": share("metro", "demand-deficit"),
        "metro_fixed": share("metro", "lp-round-robin"),
        "outages_agent": share("metro-outages", "agent:portfolio"),
        "outages_rule": share("metro-outages", best),
        "attacked_agent": share("metro-attacked", "agent:portfolio"),
        "attacked_rule": share("metro-attacked", best),
        "recovery_rule": shown(recovery["demand-deficit"], ".1f", 1 / 60),
        "recovery_fixed": shown(recovery["static-plan"], ".1f", 1 / 60),
        **{
            f"seeing_{name.replace('-', '_')}": shown(gain, "+.2f") for name, gain in seeing.items()
        },
    }
