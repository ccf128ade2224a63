"""The kinds of output of a prediction, and their files."""

from pathlib import Path
from typing import Literal, get_args

from sod.core.errors import SodError, suggest

Output = Literal["map", "mask", "overlay", "cutout", "boxes", "coco", "instances", "answers"]
KINDS: tuple[Output, ...] = get_args(Output)
SUFFIXES: dict[Output, str] = {"boxes": ".json", "coco": ".json", "answers": "/answers.json"}
"""What follows an image's name in the file of a kind; ``.png`` of the others."""


def parse_outputs(text: str) -> list[Output]:
    """Parse a comma-separated list of outputs such as ``map,overlay,cutout``.

    Raises:
        SodError: An output is unknown.
    """
    chosen: list[Output] = []
    for name in text.split(","):
        match = next((kind for kind in KINDS if kind == name.strip()), None)
        if match is None:
            hint = suggest(name, KINDS) or f" Known: {', '.join(KINDS)}."
            raise SodError(f"--output {name.strip()}: unknown.{hint}")
        chosen.append(match)
    return chosen


def output_file(folder: Path, kind: Output, name: str) -> Path:
    """Return the file of one image and one kind, ``FOLDER/KIND/NAME.png`` or ``.json``."""
    return folder / kind / f"{name}{SUFFIXES.get(kind, '.png')}"
