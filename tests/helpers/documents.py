"""The commands and the Python examples that the documentation shows."""

import re
import shlex
from pathlib import Path

from helpers.places import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = {"train.py": "fit", "evaluate.py": "evaluate"}


def blocks(page: Path, language: str = "") -> list[str]:
    """Return the fenced blocks of a language; without one, those of commands."""
    pieces = re.split(r"^```(\w*)\n", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    fenced = zip(pieces[1::4], pieces[2::4], strict=True)  # each block ends with a fence of its own
    return [block for name, block in fenced if name == language]


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
