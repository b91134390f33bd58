"""The plots of the link-viability study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qkd_gym.files import write_figure
from qkd_gym.gnn.study.comparison import BOUND


def draw_plots(results: Mapping[str, Any], out: Path) -> None:
    """Writes the three plots of the study.

    Args:
        results: What `qkd_gym.gnn.study.run.run` collected.
        out: Folder for the plots.
    """
    from matplotlib.figure import Figure

    sites = [int(n) for n in results["sizes"]]
    cases = list(results["sizes"].values())
    figure = Figure(figsize=(10.0, 4.0), dpi=130, layout="constrained")
    heads = {"auc": "AUC", "brier": "Brier score"}
    for axes, (key, head) in zip(figure.subplots(1, 2), heads.items(), strict=True):
        for name in cases[0]["scores"]:
            values = [case["scores"][name][key] for case in cases]
            dashes = ":" if name == BOUND else "-"
            axes.semilogx(sites, values, dashes, marker="o", markersize=4, label=name)
        axes.set(xlabel="sites", ylabel=head, xticks=sites, xticklabels=[str(n) for n in sites])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", fontsize="small")
    write_figure(out / "viability-sizes.png", figure)

    figure = Figure(figsize=(5.5, 5.0), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    for n, case in zip(sites, cases, strict=True):
        mean, share, count = (np.array(part) for part in case["calibration"])
        axes.plot(mean[count > 0], share[count > 0], marker="o", markersize=3, label=f"{n} sites")
    axes.set(xlabel="predicted probability of viability", ylabel="share of viable links")
    axes.grid(alpha=0.3)
    axes.legend()
    write_figure(out / "viability-calibration.png", figure)

    levels = results["network_level"]
    figure = Figure(figsize=(8.5, 4.5), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    for rule in next(iter(levels.values()))["rules"]:
        shares = np.array([case["rules"][rule]["share_of_oracle"] for case in levels.values()])
        bars = np.abs(shares[:, 1:] - shares[:, :1]).T
        axes.errorbar(
            sites, shares[:, 0], bars, marker="o", markersize=4, capsize=2, label=rule,
            linestyle=":" if rule == BOUND else "-",
        )  # fmt: skip
    axes.set(xscale="log", xlabel="sites", ylabel="share of the oracle's key rate")
    axes.set(xticks=sites, xticklabels=[str(n) for n in sites])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", fontsize="small")
    write_figure(out / "viability-network.png", figure)
