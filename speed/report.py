"""The results as a table, a plot and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from qkd_gym.files import write_bytes, write_figure, write_json
from qkd_gym.markdown import markdown_table

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
PAGES = (ROOT / "README.md", ROOT / "docs" / "speed.md")


def table(results: dict[str, Any]) -> str:
    """What the README shows, in Markdown."""
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
    return f"{markdown_table(header, cells)}\n\n{_sentence(results)}"


def _sentence(results: dict[str, Any]) -> str:
    first, memory = results["first_step_cpu_s"], results["memory"]
    threads = results["threads_wall_steps_per_s"]
    parts = [
        f"{results['processor']}; load {results['load']:.1f} before the run.",
        f"Starting an episode takes {results['reset_us']:.0f} µs, `import qkd_gym` "
        f"{results['import_cpu_s']:.2f} s, the first step {first['compiling']:.0f} s where nothing "
        f"is compiled yet and {first['cached']:.1f} s afterwards.",
        f"A process with 1,024 environments peaks at {memory['peak_mb_1024']:.0f} MiB, "
        f"each of which keeps {memory['kb_per_env']:.0f} KiB.",
    ]
    gains = {n: rates["2"] / rates["1"] for n, rates in threads.items() if "2" in rates}
    parts += [
        f"Two threads step {n} environments {gain:.2f} times as fast." for n, gain in gains.items()
    ]
    return " ".join(parts)


def write(results: dict[str, Any]) -> None:
    """Writes docs/speed.json and docs/speed.png, and the table between the pages' markers."""
    write_json(ROOT / "docs" / "speed.json", results)
    _plot(results, ROOT / "docs" / "speed.png")
    for page in PAGES:
        text = page.read_text() if page.exists() else ""
        if BEGIN in text and END in text:
            before, rest = text.split(BEGIN, 1)
            after = rest.split(END, 1)[1]
            content = f"{before}{BEGIN}\n{table(results)}\n{END}{after}"
            write_bytes(page, content.encode())


def _plot(results: dict[str, Any], path: Path) -> None:
    figure = Figure(figsize=(9.0, 3.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    unit = results["cartpole_steps_per_cpu_s"]
    vectors = {int(k): rate / unit for k, rate in results["vector"].items()}
    left.semilogx(list(vectors), list(vectors.values()), "o-", base=2)
    left.axhline(1.0, color="0.5", linestyle=":")
    left.set_xlabel("environments side by side")
    left.set_ylabel("steps per CPU-second / CartPole's")
    left.set_ylim(bottom=0.0)
    for name, rows in results["scaling"].items():
        right.loglog([row["links"] for row in rows], [row["us_per_step"] for row in rows], "o-",
                     label=name)  # fmt: skip
    right.set_xlabel("candidate links")
    right.set_ylabel("CPU µs per step")
    right.legend(frameon=False)
    write_figure(path, figure)
