"""The part of the page of studies about expert iteration, made of its figures alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qkd_gym.markdown import markdown_table

NAME = "expert"
TITLES = {
    "rule": "demand-deficit, where searches start",
    "schedule": "agent:metro, which a search has found",
}
_TEXT = """## Expert iteration

`{command}`: the weights of a scored schedule learn from lookahead over it. The schedule plays
{label_episodes} training episodes, and {share:.0%} of its decisions are labelled: its choice, to
hold, and the {candidates} links of the largest gains are each followed by the schedule for
{minutes:.0f} minutes on the same {futures} futures. These start from the true hidden state, over
which the fit averages. What a choice at random in proportion to exp(gain / {temperature:g})
leads by is maximised; every lead is weighted by the share of its variance that is no error, and
a penalty holds the weights near the present ones. Fits differ in the penalty and in the standard
errors within which leads are left out: {fits}. The one that plays best on {compared} training
episodes is proposed. It becomes the schedule only if it delivers more on {accepting} others,
with the whole 95 % interval above zero. There are {rounds} rounds; labels of a schedule that
stays add up.

Points are of {episodes} held-out episodes, those of proposed fits of the episodes of acceptance.
CPU time is that of labels, fits and trials, without what the start has cost."""


def section(facts: Mapping[str, Any]) -> str:
    """The text and the table: a row per start, and one of what has become of it."""
    told, starts = facts["settings"], facts["starts"]
    labelling = told["labelling"]
    effort = "" if facts["effort"] == 1.0 else f" --effort {facts['effort']:g}"
    text = _TEXT.format(
        command=f"python -m studies.expert{effort}",
        label_episodes=labelling["episodes"],
        minutes=labelling["horizon_s"] / 60.0,
        fits=", ".join(f"{one:g} with {errors:g}" for errors, one in told["fits"]),
        **{name: labelling[name] for name in ("share", "candidates", "futures")},
        **{name: told[name] for name in ("temperature", "compared", "accepting", "rounds")},
        episodes=facts["episodes"],
    )
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
    for start, one in starts.items():
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
    return f"{text}\n\n{markdown_table(header, rows)}"


def _points(interval: list[float]) -> str:
    mean, low, high = interval
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"
