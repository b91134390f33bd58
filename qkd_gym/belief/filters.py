"""One interval of all filters of an episode: each new observation of a link, weather and demand."""

from __future__ import annotations

import math

import numpy as np

from qkd_gym.belief.demand import start_demand, update_demand
from qkd_gym.belief.faults import (
    attack_chance,
    attack_likelihood,
    forget_faults,
    see_fault,
    see_none,
)
from qkd_gym.belief.quality import (
    error_noise,
    error_with,
    excess_with,
    expected_error,
    prior_error,
    quality_with,
)
from qkd_gym.belief.records import FAULT, QUALITY_ROW, Belief, Seen
from qkd_gym.belief.weather import predict_fog, see_weather, silent_likelihood
from qkd_gym.features import FRESHNESS_SCALE_S
from qkd_gym.jit import compiled, inlined
from qkd_gym.network.bank import Bank

_OUT = 0.5 - 1e-6  # a QBER from here on is what an outage shows
# Share of the nominal rate up to which a link is at the edge of having none: its rate then says
# nothing of its loss.
_SILENT = 0.01
_TINY = 1e-9  # likelihood of what cannot be
_MOST_EXCESS = 10.0  # means of the exponential excess loss, beyond which none is looked for


@inlined
def _attacks_per_s(bank: Bank, p: np.record, g: int, e: int) -> float:
    """Rate of attacks on a link."""
    before = bank.attack_cumulative[g, e - 1] if e > 0 else 0.0
    share = bank.attack_cumulative[g, e] - before
    return p.attacks_per_link / p.interval_s * bank.networks[g].n_links * share


@inlined
def _is_attack(error: float, mean: float, sd: float, chance: float, p: np.record) -> bool:
    """Whether an error is rather that of an attack than the link's own, about normal.

    Args:
        error: Error that the observation shows.
        mean: What is expected of the link's own.
        sd: Standard deviation of that.
        chance: Of an attack, before the link is looked at.
        p: Parameters.
    """
    own = math.exp(-0.5 * ((error - mean) / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi))
    return chance * attack_likelihood(error, mean, sd, p) > (1.0 - chance) * own


@inlined
def _take_in(
    belief: Belief, seen: Seen, bank: Bank, p: np.record, b: int, e: int, now_s: float, age_s: float
) -> None:
    """What a new observation of a link says of the link, its sites and the weather."""
    g = seen.network[b]
    facts, quality, faults = bank.links[g, e], belief.quality[b], belief.faults[b]
    table, threshold = bank.rates[facts.table], facts.qber_threshold
    rate_bps = seen.observed_rate[b, e] * facts.nominal_rate_bps
    qber = seen.observed_qber[b, e] * threshold
    at_s = now_s - age_s
    if rate_bps <= 0.0 and qber >= _OUT:
        see_fault(faults[FAULT.outage], e, now_s, 0.0)
        return
    see_none(faults[FAULT.outage], e, at_s)
    known_db = quality[QUALITY_ROW.excess_loss_db, e]
    unknown = math.isnan(known_db)
    expected_db = facts.loss_db + (p.link_excess_loss_db if unknown else known_db)
    mean, sd = expected_error(quality, p, e, at_s)
    error = error_with(table, expected_db, qber)
    noise = error_noise(table, threshold, expected_db, error, p.interval_s)
    _, prior_sd = prior_error(p)
    tells_error = noise < prior_sd
    strikes_per_s = _attacks_per_s(bank, p, g, e)
    attacked = attack_chance(faults[FAULT.attack], p, e, now_s, strikes_per_s)
    fog_db = p.fog_loss_db if facts.free_space != 0 else 0.0
    has_key = seen.observed_rate[b, e] > _SILENT
    if has_key:
        most_db = _MOST_EXCESS * p.link_excess_loss_db + fog_db
        if tells_error:
            excess_db, error = quality_with(
                table, threshold, facts.loss_db, most_db, rate_bps, qber
            )
        else:
            excess_db = excess_with(table, threshold, facts.loss_db, most_db, rate_bps, mean)
        foggy = facts.loss_db + excess_db - expected_db > 0.5 * fog_db
        if_foggy, if_clear = (1.0, _TINY) if foggy else (_TINY, 1.0)
        if fog_db > 0.0 and foggy:
            excess_db = max(excess_db - fog_db, 0.0)
        quality[QUALITY_ROW.excess_loss_db, e] = excess_db
    else:
        loss_sd_db = p.link_excess_loss_db if unknown else 0.0
        if_foggy = silent_likelihood(
            table, threshold, expected_db + fog_db, loss_sd_db, mean, sd, qber
        )
        if_clear = (1.0 - attacked) * silent_likelihood(
            table, threshold, expected_db, loss_sd_db, mean, sd, qber
        ) + attacked * attack_likelihood(error, mean, sd, p)
    if fog_db > 0.0:
        fog, district = belief.fog[b], bank.sites[g, bank.link_endpoints[g, e, 0]].district
        foggy = if_foggy * fog[district] > if_clear * (1.0 - fog[district])
        see_weather(fog, district, if_foggy, if_clear, age_s, p)
        if foggy and not has_key:
            return  # what there is to see is the fog's
    # A link without key shows an attack by that alone, also where few counts tell little else.
    spread = math.hypot(sd, min(noise, prior_sd))
    can_tell = tells_error or not has_key
    if can_tell and _is_attack(error, mean, spread, attacked, p):
        fraction = (error - mean) / (0.5 * max(0.5 - mean, 1e-6))
        fraction = min(max(fraction, p.attack_fraction), 1.0)
        see_fault(faults[FAULT.attack], e, now_s, fraction)
        return
    see_none(faults[FAULT.attack], e, at_s)
    if tells_error:
        quality[QUALITY_ROW.error, e] = error
        quality[QUALITY_ROW.error_at_s, e] = at_s


@compiled
def start(
    belief: Belief,
    seen: Seen,
    bank: Bank,
    params: np.ndarray,
    traffic: np.ndarray,
    sources: int,
    members: np.ndarray,
) -> None:
    """Forgets what was known of these episodes, and takes in what is seen at their start.

    Args:
        belief: What filters keep.
        seen: What operators see.
        bank: Networks.
        params: From `qkd_gym.network.state.kernel_params`, (1,).
        traffic: Share of each ordered pair of sites in the demand, by network, (G, N, N).
        sources: Number of burst sources.
        members: Episodes.
    """
    p = params[0]
    for b in members:
        g = seen.network[b]
        belief.quality[b, QUALITY_ROW.excess_loss_db] = np.nan
        belief.quality[b, QUALITY_ROW.error] = np.nan
        belief.quality[b, QUALITY_ROW.error_at_s] = 0.0
        faults = belief.faults[b]
        faults[:] = 0.0
        belief.fog[b] = p.fog_share
        start_demand(belief.bursts[b], belief.hot_spot[b], traffic[g], p, sources)
        for e in range(bank.networks[g].n_links):
            runs = seen.freshness[b, e] == 1.0
            if seen.freshness[b, e] > 0.0 and not runs:
                # Measured before, without faults, whether or not one lasts now.
                age_s = -FRESHNESS_SCALE_S * math.log(seen.freshness[b, e])
                _take_in(belief, seen, bank, p, b, e, 0.0, age_s)
            forget_faults(faults, e)
            if runs:
                _take_in(belief, seen, bank, p, b, e, 0.0, 0.0)
        belief.is_kept[b] = True
        belief.intervals[b] = seen.interval[b]


@compiled
def update(
    belief: Belief,
    seen: Seen,
    bank: Bank,
    params: np.ndarray,
    traffic: np.ndarray,
    sources: int,
    counts: np.ndarray,
    tilt: np.ndarray,
) -> None:
    """Takes in the past interval of every episode that is kept track of; arguments as `start`.

    Args:
        belief: What filters keep.
        seen: What operators see.
        bank: Networks.
        params: From `qkd_gym.network.state.kernel_params`, (1,).
        traffic: Share of each ordered pair of sites in the demand, by network, (G, N, N).
        sources: Number of burst sources.
        counts: Scratch, (P,).
        tilt: Scratch, (N,).
    """
    p = params[0]
    for b in range(len(seen.network)):
        # A step in which no time passes shows nothing new.
        if not belief.is_kept[b] or belief.intervals[b] == seen.interval[b]:
            continue
        belief.intervals[b] = seen.interval[b]
        g = seen.network[b]
        predict_fog(belief.fog[b], bank.networks[g].n_districts, p)
        now_s = seen.interval[b] * p.interval_s
        for e in range(bank.networks[g].n_links):
            if seen.freshness[b, e] == 1.0:
                _take_in(belief, seen, bank, p, b, e, now_s, 0.0)
        bursts, hot_spot = belief.bursts[b], belief.hot_spot[b]
        update_demand(
            bursts, hot_spot, traffic[g], bank.sites[g], seen, b, p, sources, counts, tilt
        )
