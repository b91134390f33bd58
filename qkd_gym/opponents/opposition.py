"""The opponent at work: what it sees, what its budget allows, and its attacks on the links."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput
from qkd_gym.jit import compiled
from qkd_gym.network.compiled.rng import stream, uniform
from qkd_gym.network.simulator import Simulator
from qkd_gym.opponents.registry import get_opponent
from qkd_gym.opponents.view import View

_NEVER = -1  # no interval
_DRAWS = 1000  # purpose of a random stream, far from those of the dynamics


class Attacks(NamedTuple):
    """What there is of an opponent in B episodes, beside the links' own state."""

    until_s: NDArray[np.float32]  # (B, E) end of its last attack, since the start of the episode
    decided: NDArray[np.int64]  # (B,) interval before which it has last decided


class Opposition:
    """The opponent of a batch of episodes.

    Before each interval, the first included, it chooses links to attack, at most ``opponent_links``
    at the same time. An attack begins on links only that have carried light for
    ``opponent_delay_s``, intercepts the share ``attack_fraction`` of the pulses and lasts
    ``attack_min_s``, whether or not its link stays on; then the opponent may go on or choose
    another link. Attacks that strike by themselves are not its own: of two on the same link the
    longer and the stronger counts.

    Where a step decides one request, several intervals may pass in it: it then chooses after them.

    Args:
        simulator: Has the episodes, and names the opponent in its configuration.

    Attributes:
        opponent: The opponent.
        attacks: Its attacks, with the episodes' leading axis.
    """

    def __init__(self, simulator: Simulator) -> None:
        config = self._config = simulator.config
        self.opponent = get_opponent(config.opponent)
        self._simulator = simulator
        self._interval_s = float(simulator.params["interval_s"][0])
        self._lasts_s = max(config.attack_min_s, self._interval_s)
        batch, links = len(simulator.arrays.episodes), simulator.max_links
        self.attacks = Attacks(np.zeros((batch, links), np.float32), np.full(batch, _NEVER))
        # Rows of networks not used yet are zero, and take no memory.
        self._betweenness = np.zeros((simulator.networks.size, links))

    def start(self, members: NDArray[np.int64]) -> None:
        """Ends all attacks in these episodes, which have just started."""
        self.attacks.until_s[members] = 0.0
        self.attacks.decided[members] = _NEVER

    def act(self) -> None:
        """Chooses links in the episodes in which time has passed since it last did.

        Raises:
            InvalidInput: If what the opponent returns has another shape.
        """
        intervals = self._simulator.state.episodes["interval"]
        members = np.flatnonzero(intervals != self.attacks.decided)
        if len(members):
            self.attacks.decided[members] = intervals[members]
            view = self.view(members)
            self._attack(members, view, np.asarray(self.opponent.predict(view)))

    def view(self, members: NDArray[np.int64]) -> View:
        """What the opponent sees of these episodes; the arrays are read-only."""
        sim, config = self._simulator, self._config
        episodes, links, facts = sim.state.episodes, sim.state.links, sim.bank.links
        # Field by field: whole records take far longer to copy.
        networks, interval = episodes["network"][members], episodes["interval"][members]
        elapsed_s = interval * self._interval_s
        lit = links["active"][members] > 0.0
        left_s = self.attacks.until_s[members] - elapsed_s[:, None].astype(np.float32)
        lit_s = links["running_time_s"][members]
        # What was seen in the last interval, and not before.
        key_rate = links["observed_rate"][members] * (lit & (links["freshness"][members] == 1.0))
        draws = np.empty(lit.shape)
        _draw(episodes["key"][members], interval, draws)
        view = View(
            elapsed_s=elapsed_s,
            is_link=np.arange(sim.max_links) < sim.bank.networks["n_links"][networks, None],
            endpoints=sim.bank.link_endpoints[networks],
            length_km=facts["length_km"][networks],
            betweenness=self._betweenness_of(networks),
            is_lit=lit,
            lit_s=lit_s,
            key_rate_bps=key_rate * facts["nominal_rate_bps"][networks],
            traffic_bps=links["demand_average"][members],
            attack_left_s=np.maximum(left_s, 0.0),
            is_open=lit & (lit_s >= config.opponent_delay_s) & (left_s <= 0.0),
            random=draws,
        )
        for array in view:
            array.flags.writeable = False
        return view

    def _betweenness_of(self, networks: NDArray[np.int64]) -> NDArray[np.float64]:
        known = self._betweenness
        for g in np.unique(networks[~known[networks].any(axis=1)]).tolist():
            first = self._simulator.bank.path_links[g, :, 0]
            used = first[first < known.shape[1]]  # the rest is padding
            known[g] = np.bincount(used, minlength=known.shape[1]) / len(first)
        return known[networks]

    def _attack(self, members: NDArray[np.int64], view: View, wanted: NDArray[np.floating]) -> None:
        if wanted.shape != view.is_open.shape or wanted.dtype.kind not in "fiub":
            raise InvalidInput(
                f"opponent is {self._config.opponent!r}, whose predict returns {wanted.dtype} of "
                f"shape {wanted.shape}, but must return numbers of shape {view.is_open.shape}."
            )
        budget = min(self._config.opponent_links, wanted.shape[1])
        wanted = np.where(view.is_open & (wanted > 0.0), wanted, 0.0)
        first = np.argsort(-wanted, axis=1, kind="stable")[:, :budget]
        left = budget - (view.attack_left_s > 0.0).sum(axis=1)
        is_chosen = np.take_along_axis(wanted, first, axis=1) > 0.0
        is_chosen &= np.arange(budget) < left[:, None]
        rows, ranks = np.nonzero(is_chosen)
        at = members[rows], first[rows, ranks]
        now_s = view.elapsed_s[rows].astype(np.float32)
        until_s = now_s + np.float32(self._lasts_s)
        self.attacks.until_s[at] = until_s
        links = self._simulator.state.links
        others_until_s, fraction = links["attack_until_s"], links["attack_fraction"]
        others = np.where(others_until_s[at] > now_s, fraction[at], 0.0)
        fraction[at] = np.maximum(others, self._config.attack_fraction)
        others_until_s[at] = np.maximum(others_until_s[at], until_s)


@compiled
def _draw(keys, intervals, draws):  # type: ignore[no-untyped-def]
    """Fills the draws of n episodes before these intervals, (n, E)."""
    for i in range(len(keys)):
        state = stream(keys[i], intervals[i], _DRAWS)
        for e in range(draws.shape[1]):
            state, draws[i, e] = uniform(state)
