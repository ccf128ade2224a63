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
from sod.prediction.cutouts import CutoutOptions, cut_out
from sod.prediction.opacity import OpacityOptions
from sod.prediction.writers import render

FOLDER = Path(__file__).parent / "images"
SIZE, GAP, SQUARE = (192, 256), 8, 12
Pixels = NDArray[np.uint8]


def chequered(cutout: Image.Image) -> Image.Image:
    """Lay a cut-out on the grey squares that stand for transparency."""
    rows, columns = np.indices((cutout.height, cutout.width)) // SQUARE
    squares = np.where((rows + columns) % 2, 205, 255).astype(np.uint8)
    board = Image.fromarray(np.repeat(squares[..., None], 3, axis=2)).convert("RGBA")
    return Image.alpha_composite(board, cutout).convert("RGB")


def table(rows: list[list[Image.Image]]) -> Image.Image:
    """Lay out pictures of one size in rows."""
    height, width = SIZE
    size = (len(rows[0]) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP)
    page = Image.new("RGB", size, "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            page.paste(picture, (x * (width + GAP), y * (height + GAP)))
    return page


def overview(scenes: list[Pixels], folder: Path) -> None:
    """Train PEEKABOO on other scenes, without masks, and show what it makes of these."""
    words = ["fit", "--config", "demo_peekaboo", "--data.root", str(folder), "--data.num_workers=0"]
    main([*words, "--out", str(folder / "run")])
    model = sod.load(folder / "run" / "last.ckpt", device="cpu", refine="bilateral")
    look, cut = OpacityOptions(sharpen=0.8), CutoutOptions(despill=True)
    rows = []
    for pixels in scenes:
        saliency = model(pixels)
        rows.append(
            [
                Image.fromarray(pixels),
                render(pixels, saliency, "map").convert("RGB"),
                render(pixels, saliency, "overlay"),
                chequered(cut_out(pixels, saliency, look, cut)),
            ]
        )
    table(rows).save(FOLDER / "overview.png", optimize=True)


def tokencut(scenes: list[Pixels]) -> None:
    """Show the object that the cut finds, before and after the refinement."""
    rows = [[Image.fromarray(pixels)] for pixels in scenes]
    for kind in ("none", "bilateral"):
        model = sod.load("demo", device="cpu", refine=kind)
        for row, pixels in zip(rows, scenes, strict=True):
            row.append(render(pixels, model(pixels), "overlay"))
    table(rows).save(FOLDER / "tokencut.png", optimize=True)


def answers(scenes: list[Pixels]) -> None:
    """Show three answers to each scene side by side."""
    method = sod.load("demo", device="cpu").method
    rows = []
    for pixels in scenes:
        image = to_tensor(pixels)
        own = method.saliency(image[None])[0, 0]
        chosen = choose_answers(method.proposals(image, own), 3)
        rows.append([render(pixels, each.numpy(), "overlay") for each in chosen.maps])
    table(rows).save(FOLDER / "answers.png", optimize=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    chosen = [make_scene(number, SIZE)[0] for number in (11, 23)]
    with tempfile.TemporaryDirectory() as temporary:
        overview(chosen, Path(temporary))
    tokencut(chosen[:1])
    answers(chosen)
