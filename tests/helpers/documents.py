"""The commands and the Python examples that the documentation shows."""

import re
import shlex
from pathlib import Path

from helpers.places import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = {"train.py": "fit", "evaluate.py": "evaluate"}


def blocks(page: Path, language: str = "") -> list[str]:
    """Return the fenced blocks of a language; without one, those of commands."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """Return the words of each command of a page that `sod` runs, `sod` itself left out."""
    lines = [line for block in blocks(page) for line in block.splitlines()]
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:1] == ["sod"]:
            found.append(words[1:])
        elif words[:1] == ["python"] and words[1] in PROGRAMS:
            found.append([PROGRAMS[words[1]], *words[2:]])
    return found
