"""What the policies of a leaderboard cost to make, as a section in Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from qkd_gym.baselines.agents import REHEARSING
from qkd_gym.markdown import markdown_table
from qkd_gym.scoring import shipped_card, shipped_names, shipped_schedules
from qkd_gym.scoring.agents import PREFIX


def costs_section(policies: Iterable[str]) -> list[str]:
    """A section with the agents among some policies that the package ships; none without any.

    Args:
        policies: Names of policies in a leaderboard.
    """
    played = set(policies)
    trained = {f"{PREFIX}{name}": shipped_card(name) for name in shipped_names()}
    rows = [
        (name, _millions(card.decisions), f"`{card.command}`")
        for name, card in trained.items()
        if name in played
    ]
    members = [f"{PREFIX}{name}" for name in shipped_schedules()]
    decisions = _millions(sum(trained[name].decisions for name in members))
    rehearsing = [name for name in map(PREFIX.__add__, REHEARSING) if name in played]
    made_of = f"those of {', '.join(f'`{name}`' for name in members)}"
    rows += [(name, decisions, made_of) for name in rehearsing]
    if not rows:
        return []
    text = (
        "## What policies cost\n\nWhat training took the agents that the package ships, from their "
        "cards, and the command that makes each again. Rules take no training, but some have "
        "parameters that `python -m qkd_gym tune` has chosen."
    )
    if rehearsing:
        text += (
            " The portfolio is made of other agents and rules; before it first plays a scenario it "
            "tries them on some eight hundred training episodes there, and `adapted` searches on "
            "for some twenty thousand more."
        )
    return [f"{text}\n\n{markdown_table(('policy', 'training decisions', 'command'), rows)}"]


def _millions(decisions: int) -> str:
    return f"{1e-6 * decisions:.1f} million"
