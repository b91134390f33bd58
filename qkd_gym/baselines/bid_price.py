"""Bid prices: what a bit of each link's key is worth to the demand that is still to come.

A fluid program routes the expected demand of every pair of sites and every service class over the
candidate paths, limited by what the pools hold and what the links will make. The prices of these
limits are the opportunity cost of key; a request is worth serving over a path that costs less than
it brings (Williamson, PhD thesis, MIT 1992; Talluri and van Ryzin, Management Science 44, 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, hstack

from qkd_gym.baselines.activation import estimated_rate
from qkd_gym.baselines.planned import elapsed, refreshed
from qkd_gym.baselines.policy import Memory, Observation, RuleWithMemory
from qkd_gym.baselines.routing import along, cheapest
from qkd_gym.baselines.rules import Tunable, feature, parameter
from qkd_gym.envs import QKDVectorEnv
from qkd_gym.errors import InvalidInput
from qkd_gym.features import HOUR_S, NODE, PATH, REQUEST
from qkd_gym.network.traffic import traffic_matrix

F64 = NDArray[np.float64]
_PRICE_DECIMALS, _DEMAND_DECIMALS = 6, 9
_MOST_BUSY = 5.0  # a site's recent demand counts this many times its mean at most


@dataclass(frozen=True)
class BidPrice(Tunable, RuleWithMemory):
    """Serves a request over the cheapest path if it is worth the path's price.

    The operator knows the service classes, the mean demand and the candidate paths of its network;
    it must be shown the environment before the first reset, see `watch`, which
    `qkd_gym.evaluation.evaluate` does. Prices are computed anew every few minutes.

    Attributes:
        strictness: Factor on the prices of the program.
        pool_weight: Factor on the exponential prices of `routing.ExponentialPrice`, which say what
            is scarce now and choose between paths that the program finds equal.
        horizon_s: How far ahead the program looks, at most to the end of the episode.
        recent_weight: How much of the expected demand follows the sites' recent demand instead of
            the mean.
        period_s: Time between two programs.
    """

    solves_programs: ClassVar[bool] = True

    strictness: float = parameter(0.5, 0.0, 0.25, 0.5, 0.75, 1.0)
    pool_weight: float = parameter(0.06, 0.01, 0.03, 0.06, 0.08, 0.1, 0.15)
    horizon_s: float = parameter(3600.0, 1800.0, 3600.0, 7200.0)
    recent_weight: float = parameter(0.5, 0.0, 0.25, 0.5, 0.75)
    period_s: float = parameter(300.0, 300.0)

    def watch(self, env: QKDVectorEnv) -> None:
        """Takes what an operator knows of the networks of an environment from it.

        Args:
            env: A vector environment that decides paths, before a reset.
        """
        object.__setattr__(self, "_known", _Known(env))

    def decide(
        self, obs: Observation, mask: NDArray[np.bool_], memory: Memory, starting: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], Memory]:
        """One path per observation; remembers the prices and when they were made.

        Raises:
            InvalidInput: Before it was shown the environment.
        """
        known: _Known | None = getattr(self, "_known", None)
        if known is None or known.batch != len(mask):
            raise InvalidInput(
                "policy is 'bid-price', but must be shown its environment before it plays: call "
                "watch(env)."
            )
        fresh = np.zeros(obs["links"].shape[:2])
        prices = refreshed(memory, "prices", fresh, starting).copy()
        now_s = elapsed(obs) * known.episode_s
        frame = np.floor(now_s / max(self.period_s, 1.0) + 1e-9)
        due = frame != refreshed(memory, "frame", frame - 1.0, starting)
        for b in np.flatnonzero(due):
            prices[b] = self._prices(known, obs, int(b), now_s[b])
        cost = self.strictness * along(obs, prices).sum(axis=-1)
        cost += self.pool_weight * np.expm1(obs["paths"][..., PATH.price].astype(np.float64))
        worth = mask.copy()
        worth[:, :-1] &= cost <= obs["request"][:, REQUEST.value, None]
        return cheapest(cost, worth), {"prices": prices, "frame": frame}

    def _prices(self, known: _Known, obs: Observation, b: int, now_s: float) -> F64:
        """Price of each link's key, in units of the worth of the mean offered bit, (E,)."""
        one = {name: each[b : b + 1] for name, each in obs.items()}
        horizon_s = min(self.horizon_s, known.episode_s - now_s)
        hours = max(horizon_s, known.interval_s) / HOUR_S
        rate = estimated_rate(one)[0] * (feature(one, "active")[0] > 0.5)
        supply = feature(one, "pool_fill")[0] + rate * hours
        network = known.network(b)
        recent = np.expm1(one["nodes"][0, :, NODE.demand_average].astype(np.float64))
        # Averages begin at zero: what they have not seen yet has the mean.
        seen = -np.expm1(-now_s / known.demand_memory_s)
        demand = network.expected(recent, seen, self.recent_weight)
        return network.prices(supply, demand * hours)


class _Known:
    """What an operator knows of the episodes of an environment."""

    def __init__(self, env: QKDVectorEnv) -> None:
        self._core, self.batch = env.core, env.num_envs
        params = env.core.simulator.params
        self.interval_s = float(params["interval_s"][0])
        self.demand_memory_s = env.config.demand_memory_s
        self.episode_s = self.interval_s * int(params["intervals"][0])
        self._networks: dict[int, _Network] = {}

    def network(self, member: int) -> _Network:
        """The network of a member's episode."""
        simulator = self._core.simulator
        g = int(simulator.state.episodes["network"][member])
        if g not in self._networks:
            bank, config = simulator.bank, simulator.config
            traffic = traffic_matrix(simulator.networks.topology(g), config)
            hourly = HOUR_S / config.pool_capacity_bits
            demand = 2.0 * traffic * float(bank.networks["mean_offered_bps"][g]) * hourly
            value, share = np.ones(1), np.ones(1)
            if config.service_classes:
                value = bank.services["value"]
                share = np.diff(bank.services["up_to"], prepend=0.0) * bank.services["size"]
            n_links = simulator.max_links
            paths = np.where(bank.path_links[g] < n_links, bank.path_links[g], -1)
            self._networks[g] = _Network(demand, paths, n_links, value, share)
        return self._networks[g]


class _Network:
    """The fluid program of a network.

    Args:
        demand: Mean demand of each pair of sites, in pool capacities per hour, (N, N) symmetric.
        paths: Links of the candidate paths of every pair, padded with -1, (P, K, H).
        n_links: Number of links, E.
        value: Worth of a bit of each class, (C,).
        share: Share of each class in the offered bits, (C,).
    """

    def __init__(
        self, demand: F64, paths: NDArray[np.integer], n_links: int, value: F64, share: F64
    ) -> None:
        self._first, self._second = np.triu_indices(len(demand), 1)
        self._mean = demand[self._first, self._second]
        self._of_sites = demand.sum(axis=1)
        self._value, self._share, self._n_links = value, share, n_links
        self._pair, path = np.nonzero(paths[:, :, 0] >= 0)
        links = paths[self._pair, path]
        nth, hop = np.nonzero(links >= 0)
        self._uses = coo_array(
            (np.ones(len(nth)), (links[nth, hop], nth)), shape=(n_links, len(links))
        ).tocsc()

    def expected(self, recent: F64, seen: float, weight: float) -> F64:
        """Demand of each pair to be expected, in pool capacities per hour, (P,).

        Args:
            recent: Averages of the recent demand of every site, likewise, (N,).
            seen: Weight of the time that the averages have seen.
            weight: How much the expectation follows them instead of the mean.
        """
        factor = np.minimum(recent / self._of_sites, _MOST_BUSY)
        both = 0.5 * (factor[self._first] + factor[self._second])
        return np.asarray(self._mean * (1.0 - weight * seen + weight * both))

    def prices(self, supply: F64, demand: F64) -> F64:
        """What a further unit of key on each link would bring, (E,).

        Args:
            supply: Key that each link will have, in pool capacities, (E,).
            demand: Demand of each pair, likewise, (P,).
        """
        # Of paths over links without key and of pairs without paths the program need not know.
        possible = np.flatnonzero(self._uses.T @ (supply <= 0.0) == 0.0)
        if not len(possible):
            return np.zeros(self._n_links)
        pairs, pair = np.unique(self._pair[possible], return_inverse=True)
        n_paths, classes = len(possible), len(self._value)
        admitted = np.repeat(np.arange(len(pairs)), classes)
        of_class = coo_array((np.ones(len(admitted)), (admitted, np.arange(len(admitted)))))
        of_path = coo_array((np.ones(n_paths), (pair, np.arange(n_paths))))
        none = csr_array((self._n_links, len(admitted)))
        # Rounded, so that no price hangs on the last bits of a processor's functions.
        most = np.round((demand[pairs, None] * self._share).ravel(), _DEMAND_DECIMALS)
        highest = np.concatenate([np.full(n_paths, np.inf), most])
        solved = linprog(
            -np.concatenate([np.zeros(n_paths), np.tile(self._value, len(pairs))]),
            A_ub=hstack([self._uses[:, possible], none], format="csr"),
            b_ub=np.round(supply, _PRICE_DECIMALS),
            # What flows over the paths of a pair is what is admitted of its classes.
            A_eq=hstack([of_path, -of_class], format="csr"),
            b_eq=np.zeros(len(pairs)),
            bounds=np.stack([np.zeros_like(highest), highest], axis=1),
            method="highs",
        )
        if solved.x is None:
            return np.zeros(self._n_links)
        return np.round(-solved.ineqlin.marginals, _PRICE_DECIMALS)
