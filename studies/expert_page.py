"""The part of the page of studies about expert iteration, made of its figures alone."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from qkd_gym.markdown import markdown_table
from studies.forms import STUDIES

NAME = "expert"
TITLES = {
    "rule": "the rule that searches start from",
    "schedule": "agent:metro, which was searched",
}
_TEXT = """## Expert iteration

`{command}`, measured with version {version}: the weights of a scored schedule learn from
lookahead over it. The schedule plays {label_episodes} training episodes, and {share:.0%} of its
decisions are labelled: its choice, to hold, and the {candidates} links of the largest gains are
each followed by the schedule for {minutes:.0f} minutes on the same {futures} futures. These start
from the true hidden state, over
which the fit averages. What a choice at random in proportion to exp(gain / {temperature:g})
leads by is maximised; every lead is weighted by the share of its variance that is no error, and
a penalty holds the weights near the present ones. Fits differ in the penalty and in the standard
errors within which leads are left out: penalties {fits}. The one that plays best on {compared}
training episodes is proposed. It becomes the schedule only if it delivers more on {accepting}
others, with the whole 95 % interval above zero. There are {rounds} rounds; labels of a
schedule that stays add up.

Points are of {episodes} held-out episodes, those of proposed fits of the episodes of acceptance.
CPU time is that of labels, fits and trials, without what the start has cost."""
_REACHED = """### What search, reinforcement learning and expert iteration reach

Both studies side by side, in points to demand-deficit; each on its own episodes. To make an agent,
search; where a decision may take tens of milliseconds, let lookahead follow what was found
([agents.md](agents.md))."""


def section(results: Mapping[str, Any]) -> str:
    """Text and tables of the study, and beside what others reach where they have figures.

    Args:
        results: Figures of the studies by name, this one's among them.
    """
    parts = [_text(results[NAME]), _table(results[NAME])]
    if "learning" in results:
        parts += [_REACHED, _reached(results["learning"], results[NAME])]
    return "\n\n".join(parts)


def _reached(learning: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """A row per way to learn."""
    rule = next(iter(facts["references"]))
    rows = [
        (STUDIES["learning"].forms[form].title, f"{rows[-1]['cpu_s']:,.0f}", rows[-1]["points"])
        for form, rows in learning["forms"].items()
    ]
    for start, one in facts["starts"].items():
        on_top = " beside the start's" if start == "schedule" else ""
        cpu_s = f"{one['cpu_s']:,.0f}{on_top}"
        rows.append((f"expert iteration from {TITLES[start]}", cpu_s, one["points"]))
    header = (facts["scenario"], "CPU-s", f"points to {rule} [95 %]")
    return markdown_table(header, [(*row[:2], _points(row[2][rule])) for row in rows])


def _text(facts: Mapping[str, Any]) -> str:
    told = facts["settings"]
    labelling = told["labelling"]
    effort = "" if facts["effort"] == 1.0 else f" --effort {facts['effort']:g}"
    text = _TEXT.format(
        command=f"python -m studies.expert{effort}",
        version=facts["version"],
        label_episodes=labelling["episodes"],
        minutes=labelling["horizon_s"] / 60.0,
        fits=", ".join(f"{one:g} with {errors:g} errors" for errors, one in told["fits"]),
        **{name: labelling[name] for name in ("share", "candidates", "futures")},
        **{name: told[name] for name in ("temperature", "compared", "accepting", "rounds")},
        episodes=facts["episodes"],
    )
    return "\n\n".join(textwrap.fill(part, 100) for part in text.split("\n\n"))


def _table(facts: Mapping[str, Any]) -> str:
    """A row per start, and one of what has become of it."""
    rules = facts["references"]
    header = (
        f"{facts['scenario']}, {facts['seeds']} seeds",
        "labels",
        "CPU-s",
        "points of proposed fits",
        "accepted",
        "delivered share",
        "points to its start [95 %]",
        *(f"points to {rule} [95 %]" for rule in rules),
    )
    rows = []
    for start, one in facts["starts"].items():
        before, trials = one["start"], one["trials"]
        rows.append(
            (
                TITLES[start],
                *[""] * 4,
                f"{before['delivered_share']:.4f}",
                "",
                *(_points(before["points"][rule]) for rule in rules),
            )
        )
        rows.append(
            (
                "after expert iteration",
                f"{one['labels']:,.0f}",
                f"{one['cpu_s']:,.0f}",
                f"{sum(trials) / len(trials):+.2f} ({min(trials):+.2f} to {max(trials):+.2f})",
                f"{one['accepted']} of {len(trials)}",
                f"{one['delivered_share']:.4f}",
                _points(one["points_to_start"]),
                *(_points(one["points"][rule]) for rule in rules),
            )
        )
    return markdown_table(header, rows)


def _points(interval: list[float]) -> str:
    mean, low, high = interval
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"
