"""What an episode has in store, whatever a policy does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray

from qkd_gym.envs.core import Core
from qkd_gym.envs.tasks import LINK_ACTIVATION
from qkd_gym.errors import InvalidInput, require_integer, shown
from qkd_gym.network.compiled.memory import padded
from qkd_gym.network.config import NetworkConfig
from qkd_gym.network.simulator import Simulator
from qkd_gym.network.state import Records
from qkd_gym.planning.paths import pair_index

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_BOTTOMLESS_BITS = 2**60


@dataclass(frozen=True)
class EpisodeTrace:
    """The exogenous processes of one episode with T intervals, E links and R requests.

    Attributes:
        config: Configuration of the episode.
        seed: Seed that `reset` was given.
        network: Index of its network in the bank.
        n_sites: Number of sites.
        interval_s: Length of an interval, seconds.
        link_endpoints: Sites of each link, shape (E, 2).
        nominal_rate_bps: Key rate that an operator expects of each link, shape (E,).
        active_at_start: Links that run at the start, shape (E,).
        pool_at_start_bits: Key stored at the start, shape (E,).
        made_bits: Key that each link makes in each interval if it runs and is calibrated, shot
            noise included, shape (T, E).
        request_interval: Interval of each request, ascending, shape (R,).
        request_sites: Its two sites, shape (R, 2).
        request_bits: Its size, shape (R,).
        request_last: Last interval in which it may be served, shape (R,).
        request_value: Worth of each of its bits over that of the mean offered bit, shape (R,).
        request_paths: Links of its candidate paths, shape (R, K, H), padded with -1; a path
            without links does not exist.
    """

    config: NetworkConfig
    seed: int
    network: int
    n_sites: int
    interval_s: float
    link_endpoints: I64
    nominal_rate_bps: F64
    active_at_start: NDArray[np.bool_]
    pool_at_start_bits: I64
    made_bits: I64
    request_interval: I64
    request_sites: I64
    request_bits: I64
    request_last: I64
    request_value: F64
    request_paths: NDArray[np.int16]

    @property
    def intervals(self) -> int:
        """Number of intervals T."""
        return len(self.made_bits)

    @property
    def offered_bits(self) -> int:
        """Key that is requested during the episode."""
        return int(self.request_bits.sum())


def start_episode(config: NetworkConfig, seed: int) -> Core:
    """One episode of `LinkActivation-v0`, started as by ``reset(seed=seed)``.

    Raises:
        InvalidInput: If the seed is not a non-negative integer, or the configuration has an
            opponent, whose attacks depend on what is done.
    """
    require_integer("seed", seed, 0)
    if config.opponent:
        raise InvalidInput(
            f"opponent is {config.opponent!r}, but must be none where the future of an episode is "
            'known: what no policy exceeds with opponent="" none exceeds with one.'
        )
    core = Core(config, {}, 1, LINK_ACTIVATION)
    core.generators = [np_random(seed)[0]]
    core.start()
    return core


def episode_trace(config: NetworkConfig, seed: int) -> EpisodeTrace:
    """Reads an episode's future off a copy of it in which every link runs.

    No other process depends on what is switched on, so what the links make there is what they
    make in every run of the episode, under any of the environments.

    Args:
        config: Configuration of the environment.
        seed: The seed of ``env.reset(seed=seed)``.

    Raises:
        InvalidInput: As `start_episode`; if some link makes its key in blocks, since when one is
            full hangs on how long the link has run; or if a fault strikes where key is stored.
    """
    for fault in config.faults:
        if fault.target == "stored-key":
            raise InvalidInput(
                f"faults has {shown(fault.name)} with the target 'stored-key', but must have none "
                "for a bound: what it strikes depends on what a policy does."
            )
    core = start_episode(config, seed)
    simulator = core.simulator
    bank, state = simulator.bank, simulator.state
    for name, size in zip(simulator.networks.presets, bank.sifted_per_block, strict=False):
        if np.isfinite(size):
            raise InvalidInput(
                f"preset is {shown(name)}, but must have an infinite block_size for the bounds, "
                "which ask what a link makes in each interval whatever ran before."
            )
    network = int(state.episodes["network"][0])
    n_links = int(bank.networks["n_links"][network])
    links = state.links[0, :n_links]
    active, pool = links["active"] > 0, links["pool"].copy()
    _switch_everything_on(simulator, n_links)

    intervals, interval_s = (
        simulator.params[name][0].item() for name in ("intervals", "interval_s")
    )
    made = np.zeros((intervals, n_links), np.int64)
    requests, times = [], []
    hold = np.array([simulator.max_links])
    for t in range(intervals):
        before = links["stored_ever"].copy()
        core.step(hold)
        made[t] = links["stored_ever"] - before
        count = int(state.episodes["n_requests"][0])
        requests.append(state.requests[0, :count].copy())
        times.append(np.full(count, t))
    asked = np.concatenate(requests)
    sites = np.stack([asked["first"], asked["second"]], axis=1)
    rows = [pair_index(first, second, simulator.n_sites) for first, second in sites.tolist()]
    paths = bank.path_links[network, rows]
    return EpisodeTrace(
        config=config,
        seed=seed,
        network=network,
        n_sites=simulator.n_sites,
        interval_s=interval_s,
        link_endpoints=bank.link_endpoints[network, :n_links].astype(np.int64),
        nominal_rate_bps=bank.links["nominal_rate_bps"][network, :n_links].copy(),
        active_at_start=active,
        pool_at_start_bits=pool,
        made_bits=made,
        request_interval=np.concatenate(times),
        request_sites=sites,
        request_bits=asked["bits"].copy(),
        request_last=_last_interval(asked, np.concatenate(times), intervals),
        request_value=_values(asked, bank.services),
        request_paths=np.where(paths < n_links, paths, -1),
    )


def _last_interval(asked: Records, interval: I64, intervals: int) -> I64:
    """A request of interval t is asked when t + 1 have passed, and those that wait later again."""
    return np.clip(asked["until"].astype(np.int64) - 1, interval, intervals - 1)


def _values(asked: Records, services: Records) -> F64:
    return services["value"][asked["service"]] if len(services) else np.ones(len(asked))


def _switch_everything_on(simulator: Simulator, n_links: int) -> None:
    """Runs all links, more than modules allow, into pools that never overflow."""
    everything = np.zeros((1, padded(simulator.max_links)), np.int32)
    everything[0, :n_links] = np.arange(n_links)
    simulator.arrays = simulator.arrays._replace(active=everything)
    simulator.state.episodes["n_active"] = n_links
    simulator.state.links["active"][0, :n_links] = 1.0
    simulator.state.links["calibration_left_s"][0, :n_links] = 0.0
    simulator.params["capacity"] = _BOTTOMLESS_BITS
