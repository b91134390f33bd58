"""Where the drift, weather, outage, attack and demand parameters of `metro` come from."""

from __future__ import annotations

ASSUMED = "assumed"

SOURCES = {
    "misalignment": "1.5 %: Ma, Fung, Lo, PRA 76, 012307 (2007), Table I",
    "drift_std": "0.8 %, as the QBER of a buried link of 69 km varies: Dosan et al., "
    "arXiv:2608.18869",
    "drift_memory_s": ASSUMED,
    "site_misalignment": ASSUMED,
    "link_excess_loss_db": ASSUMED,
    "measured_share": ASSUMED,
    "measured_age_s": ASSUMED,
    "clear_s": ASSUMED,
    "fog_s": ASSUMED,
    "fog_loss_db": "assumed; 34 dB per km at a visibility of 500 m by the model of Kim that "
    "`qkd_gym.physics.FreeSpace` has",
    "outages_per_link_minute": ASSUMED,
    "outage_min_s": ASSUMED,
    "outage_mean_s": ASSUMED,
    "attacks_per_link_minute": ASSUMED,
    "attack_min_s": ASSUMED,
    "attack_mean_s": ASSUMED,
    "attack_fraction": "assumed; from 39 % on, an intercept-resend attack lifts a QBER of 1.5 % "
    "past 11 %, by E + (1 - 2 E) f / 4",
    "load": "1 by definition: what the best static plan in fractions could carry",
    "requests_per_site_hour": ASSUMED,
    "request_size_sigma": ASSUMED,
    "gravity_distance_km": ASSUMED,
    "diurnal_amplitude": ASSUMED,
    "diurnal_period_s": "a day",
    "hot_spot_share": ASSUMED,
    "hot_spot_s": ASSUMED,
    "burst_share": ASSUMED,
    "burst_sources": ASSUMED,
    "burst_on_s": ASSUMED,
    "burst_off_s": ASSUMED,
}
