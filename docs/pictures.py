"""Makes the pictures of the documentation from built-in scenes: `python docs/pictures.py`."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import sod
from sod.cli import main
from sod.data.reading import to_tensor
from sod.data.synthetic import make_scene
from sod.prediction.answers import choose_answers
from sod.prediction.opacity import OpacityOptions
from sod.prediction.sheet import row_of, sheet
from sod.prediction.writers import render

FOLDER = Path(__file__).parent / "images"
SIZE = (192, 256)
Pixels = NDArray[np.uint8]


def overview(scenes: list[Pixels], folder: Path) -> None:
    """Train PEEKABOO on other scenes, without masks, and show what it makes of these."""
    words = ["fit", "--config", "demo_peekaboo", "--data.root", str(folder), "--data.num_workers=0"]
    main([*words, "--out", str(folder / "run")])
    model = sod.load(folder / "run" / "last.ckpt", device="cpu", refine="bilateral")
    rows = []
    for pixels in scenes:
        rows.append(row_of(pixels, model(pixels), OpacityOptions(sharpen=0.8)))
    sheet(rows, SIZE).save(FOLDER / "overview.png", optimize=True)


def tokencut(scenes: list[Pixels]) -> None:
    """Show the object that the cut finds, before and after the refinement."""
    rows = [[Image.fromarray(pixels)] for pixels in scenes]
    for kind in ("none", "bilateral"):
        model = sod.load("demo", device="cpu", refine=kind)
        for row, pixels in zip(rows, scenes, strict=True):
            row.append(render(pixels, model(pixels), "overlay"))
    sheet(rows, SIZE).save(FOLDER / "tokencut.png", optimize=True)


def answers(scenes: list[Pixels]) -> None:
    """Show three answers to each scene side by side."""
    method = sod.load("demo", device="cpu").method
    rows = []
    for pixels in scenes:
        image = to_tensor(pixels)
        own = method.saliency(image[None])[0, 0]
        chosen = choose_answers(method.proposals(image, own), 3)
        rows.append([render(pixels, each.numpy(), "overlay") for each in chosen.maps])
    sheet(rows, SIZE).save(FOLDER / "answers.png", optimize=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    chosen = [make_scene(number, SIZE)[0] for number in (11, 23)]
    with tempfile.TemporaryDirectory() as temporary:
        overview(chosen, Path(temporary))
    tokencut(chosen[:1])
    answers(chosen)
