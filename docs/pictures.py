"""Makes the pictures of the documentation from built-in scenes: `python docs/pictures.py`."""

import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import sod
from sod.api.images import pixels_of
from sod.cli import main
from sod.data.masking import mask_images
from sod.data.reading import to_tensor
from sod.data.synthetic import make_scene, surface
from sod.engine.method import Method
from sod.methods.cosaliency import CoSaliency
from sod.nn.backbones.build import BackboneConfig
from sod.prediction.answers import choose_answers
from sod.prediction.instances import coloured
from sod.prediction.look import render
from sod.prediction.opacity import OpacityOptions
from sod.prediction.sheet import row_of, sheet

FOLDER = Path(__file__).parent / "images"
SIZE = (192, 256)
Pixels = NDArray[np.uint8]
GROUP = (  # colours of the ground and of the square; centres of the ellipse and of the square
    ((0.60, 0.45, 0.35), (0.15, 0.30, 0.85), (80, 90), (185, 110)),
    ((0.45, 0.45, 0.60), (0.30, 0.75, 0.30), (170, 110), (70, 80)),
    ((0.60, 0.55, 0.45), (0.55, 0.25, 0.65), (110, 120), (205, 70)),
    ((0.55, 0.40, 0.40), (0.15, 0.75, 0.80), (190, 80), (80, 120)),
)
DESCRIPTOR = ["--model.backbone.name=descriptor", "--model.backbone.weights=null"]
DESCRIPTOR += ["--model.backbone.extra_features=[contrast]"]


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


def peekaboo(scenes: list[Pixels], folder: Path) -> None:
    """Show a scene, the masked one, TokenCut's object as target, and the trained head's map."""
    model, teacher = sod.load(folder / "run" / "last.ckpt", device="cpu"), sod.load("demo")
    rows = []
    for pixels in scenes:
        image = to_tensor(pixels)[None]
        masks = model.method.masker.draw(["scene"], 0, SIZE)
        masked = mask_images(image, masks, model.method.backbone.mean)[0]
        target = teacher(pixels)
        panels = [render(pixels, values, "overlay") for values in (target, model(pixels))]
        rows.append([Image.fromarray(pixels), Image.fromarray(pixels_of(masked)), *panels])
    save(rows, "peekaboo")


def connnet(scenes: list[Pixels], folder: Path) -> None:
    """Train ConnNet on TokenCut's objects; show votes to the right and below, map, and objects."""
    words = ["fit", "--model", "ConnNet", *DESCRIPTOR, "--model.network.decoder", "linear"]
    main([*words, *training(folder, 60), "--out", str(folder / "connnet")])
    model = sod.load(folder / "connnet" / "last.ckpt", device="cpu")
    rows = []
    for pixels in scenes:
        with torch.inference_mode():
            cube = model.method.network(to_tensor(pixels)[None])[0][0].sigmoid()
        votes = [grey(cube[number].numpy()) for number in (4, 6)]
        instances = coloured(pixels, model.instances(pixels).labels.numpy())
        panels = [*votes, render(pixels, model(pixels), "overlay"), Image.fromarray(instances)]
        rows.append([Image.fromarray(pixels), *panels])
    save(rows, "connnet")


def generations(scenes: list[Pixels], folder: Path) -> None:
    """Train two students for one generation; show the teacher's map, theirs, and the ensemble's."""
    network = {"network": {"decoder": "linear"}}
    heads = [("binary", {"kind": "binary"}), ("connectivity", {"kind": "connectivity"})]
    students = [
        {"name": name, "method": "ConnNet", "arguments": {**network, "head": head}}
        for name, head in heads
    ]
    words = ["fit", "--model", "Generations", *DESCRIPTOR, "--model.generations=1"]
    words += ["--model.students", json.dumps(students)]
    main([*words, *training(folder, 40), "--out", str(folder / "generations")])
    model = sod.load(folder / "generations" / "last.ckpt", device="cpu")
    members = [each for each in model.method.members.values() if isinstance(each, Method)]
    shown = [sod.load("demo"), *(sod.Model(each, model.device) for each in members), model]
    rows = [
        [Image.fromarray(each), *(render(each, one(each), "overlay") for one in shown)]
        for each in scenes
    ]
    save(rows, "generations")


def cosaliency() -> None:
    """Show a group, what TokenCut finds in each image by itself, and what they have in common."""
    group = [group_image(number) for number in range(4)]
    alone, images = sod.load("demo"), [to_tensor(pixels) for pixels in group]
    shared = CoSaliency(BackboneConfig("descriptor", None)).group_saliency(images)
    found = [[alone(pixels) for pixels in group], [each[0].numpy() for each in shared]]
    rows = [[Image.fromarray(pixels) for pixels in group]]
    for maps in found:
        rows.append([render(*each, "overlay") for each in zip(group, maps, strict=True)])
    save(rows, "cosaliency")


def group_image(number: int) -> Pixels:
    """Draw an orange ellipse beside a square of another colour on another ground."""
    rng = np.random.default_rng(number)
    ground, stranger, ellipse, square = GROUP[number]
    image = surface(rng, SIZE, np.array(ground))
    layers = np.zeros((2, *SIZE), np.uint8)
    corners = [(square[0] + side, square[1] + side) for side in (-32, 32)]
    cv2.rectangle(layers[0], *corners, 1, -1)
    cv2.ellipse(layers[1], ellipse, (38, 28), 30 * number, 0, 360, 1, -1)
    for layer, colour in zip(layers, (stranger, (0.85, 0.45, 0.15)), strict=True):
        image = np.where(layer[..., None] > 0, surface(rng, SIZE, np.array(colour)), image)
    return np.rint(image * 255).astype(np.uint8)


def training(folder: Path, steps: int) -> list[str]:
    """Return the options of a short training on built-in scenes."""
    words = [f"--data.root={folder}", "--data.train=builtin-64-256-1", "--data.size=192"]
    words += ["--data.val_images=0", "--data.num_workers=0", "--trainer.limit_val_batches=0"]
    return [*words, f"--trainer.max_steps={steps}", "--trainer.precision=32-true"]


def grey(values: NDArray[np.float32]) -> Image.Image:
    """Return values in [0, 1] as a picture of the size of a scene."""
    picture = Image.fromarray(np.rint(values * 255).astype(np.uint8))
    return picture.resize(SIZE[::-1], Image.Resampling.NEAREST)


def save(rows: list[list[Image.Image]], name: str) -> None:
    """Save rows of pictures with a palette, which keeps the file small."""
    sheet(rows, (120, 160)).quantize(128).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    chosen = [make_scene(number, SIZE)[0] for number in (11, 23)]
    with tempfile.TemporaryDirectory() as temporary:
        overview(chosen, Path(temporary))
        peekaboo(chosen, Path(temporary))
        connnet(chosen, Path(temporary))
        generations(chosen, Path(temporary))
    tokencut(chosen[:1])
    answers(chosen)
    cosaliency()
