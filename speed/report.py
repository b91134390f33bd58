"""The results as tables, a plot and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from qkd_gym.files import write_bytes, write_figure, write_json
from qkd_gym.markdown import markdown_table

ROOT = Path(__file__).parent.parent
JSON, PLOT = ROOT / "docs" / "speed.json", ROOT / "docs" / "speed.png"
PAGES = (ROOT / "README.md", ROOT / "docs" / "speed.md")


def steps_table(results: Mapping[str, Any]) -> str:
    """Environments beside CartPole, in Markdown."""
    unit = results["cartpole_steps_per_cpu_s"]
    rows = [("CartPole-v1, single, unwrapped", unit)]
    rows += [(name, rate) for name, rate in results["steps_per_cpu_s"].items()]
    rows += [
        (name, peer["steps_per_cpu_s"])
        for name, peer in results.get("peers", {}).items()
        if "steps_per_cpu_s" in peer
    ]
    cells = [(name, f"{rate:,.0f}", f"{rate / unit:.2f}") for name, rate in rows]
    header = ("steps per CPU-second", "", "times CartPole")
    return f"{markdown_table(header, cells)}\n\n{_steps_sentences(results)}"


def _steps_sentences(results: Mapping[str, Any]) -> str:
    first, memory = results["first_step_cpu_s"], results["memory"]
    threads = results["threads_wall_steps_per_s"]
    sentences = [
        f"{results['processor']}; load {results['load']:.1f} before the run.",
        f"Starting an episode takes {results['reset_us']:.0f} µs, `import qkd_gym` "
        f"{results['import_cpu_s']:.2f} s, the first step {first['compiling']:.0f} s where nothing "
        f"is compiled yet and {first['cached']:.1f} s afterwards.",
        f"A process with 1,024 environments peaks at {memory['peak_mb_1024']:.0f} MiB, "
        f"each of which keeps {memory['kb_per_env']:.0f} KiB.",
    ]
    gains = {n: rates["2"] / rates["1"] for n, rates in threads.items() if "2" in rates}
    sentences += [
        f"Two threads step {n} environments {gain:.2f} times as fast." for n, gain in gains.items()
    ]
    return " ".join(sentences)


def training_table(results: Mapping[str, Any]) -> str:
    """Forms of training beside stock MaskablePPO, in Markdown."""
    if "training" not in results:
        return "Training was left out of this run."
    forms = results["training"].values()
    cells = [
        (
            form["title"],
            f"{form['steps_per_cpu_s']:,.0f}",
            f"{form['times_stock']:.2f}",
            f"{form['steps_per_s']:,.0f}",
            *(f"{share:.0%}" for share in form["groups"].values()),
        )
        for form in forms
    ]
    groups = next(iter(forms))["groups"]
    header = (
        "training",
        "steps per CPU-second",
        "times stock MaskablePPO",
        "steps per second",
        *groups,
    )
    return f"{markdown_table(header, cells)}\n\n{_training_sentences(results)}"


def _training_sentences(results: Mapping[str, Any]) -> str:
    costs = [f"{part} ({share:.0%})" for part, share in largest_costs(results)]
    sentences = [
        f"The recipe's largest costs are {', '.join(costs[:-1])} and {costs[-1]}.",
        "With 1,024 environments its process peaks at "
        f"{results['training_peak_mb_1024']:,.0f} MiB.",
    ]
    alone = results["training_steps_per_s"]["1"]
    sentences += [
        f"{workers} workers train {rate / alone:.2f} times as fast as one, in wall-clock time."
        for workers, rate in results["training_steps_per_s"].items()
        if workers != "1"
    ]
    for name, rows in results["training_scaling"].items():
        small, large = rows[0], rows[-1]
        sentences.append(
            f"From {small['links']} to {large['links']} links ({name}) its cost per link goes "
            f"from {small['us_per_link_step']:.1f} to {large['us_per_link_step']:.1f} µs a step."
        )
    return " ".join(sentences)


def largest_costs(results: Mapping[str, Any], count: int = 3) -> list[tuple[str, float]]:
    """The dearest named parts of the recipe's training and their shares, the dearest first."""
    shares = {k: v for k, v in results["training"]["recipe"]["shares"].items() if k != "the rest"}
    return sorted(shares.items(), key=lambda item: -item[1])[:count]


def between(page: str, name: str, content: str) -> str:
    """The page with the content between the markers of a name; unchanged where it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if begin not in page or end not in page:
        return page
    before, rest = page.split(begin, 1)
    return f"{before}{begin}\n{content}\n{end}{rest.split(end, 1)[1]}"


def write(results: Mapping[str, Any]) -> None:
    """Writes docs/speed.json and docs/speed.png, and the tables between the pages' markers."""
    tables = {"speed": steps_table(results), "training": training_table(results)}
    if "training" in results:
        results = {**results, "training_largest_costs": dict(largest_costs(results))}
    write_json(JSON, results)
    _plot(results, PLOT)
    for page in PAGES:
        text = page.read_text()
        for name, table in tables.items():
            text = between(text, name, table)
        write_bytes(page, text.encode())


def _plot(results: Mapping[str, Any], path: Path) -> None:
    figure = Figure(figsize=(9.0, 3.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    unit = results["cartpole_steps_per_cpu_s"]
    vectors = {int(k): rate / unit for k, rate in results["vector"].items()}
    left.semilogx(list(vectors), list(vectors.values()), "o-", base=2)
    left.axhline(1.0, color="0.5", linestyle=":")
    left.set_xlabel("environments side by side")
    left.set_ylabel("steps per CPU-second / CartPole's")
    left.set_ylim(bottom=0.0)
    curves = {f"step, {name}": rows for name, rows in results["scaling"].items()}
    curves |= {
        f"training, {name}": rows for name, rows in results.get("training_scaling", {}).items()
    }
    for name, rows in curves.items():
        right.loglog([row["links"] for row in rows], [row["us_per_step"] for row in rows], "o-",
                     label=name)  # fmt: skip
    right.set_xlabel("candidate links")
    right.set_ylabel("CPU µs per step")
    right.legend(frameon=False)
    write_figure(path, figure)
