"""Brings the pages of the repository's root into the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = ("RESULTS.md", "CHANGELOG.md", "CONTRIBUTING.md")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages; links in them start at the root."""
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to those pages stay inside the site."""
    for name in PAGES:
        markdown = markdown.replace(f"](../{name}", f"]({name}")
    # Episode files stand in the repository alone.
    return markdown.replace("[docs/episodes](episodes)", "`docs/episodes`")
