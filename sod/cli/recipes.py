"""The recipes of `sod recipe`: which commands make a reference model of a published backbone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recipe:
    """A reference model.

    Args:
        backbone: Name of the backbone in timm.
        tuned: Whether `sod tune` chooses block, facet and threshold first; else they are the
            published ones of DINO, keys of the last block.
        title: One line for the list.
    """

    backbone: str
    tuned: bool
    title: str


RECIPES = {
    "dino-s16": Recipe("vit_small_patch16_224.dino", tuned=False, title="DINO ViT-S/16"),
    "dino-s8": Recipe("vit_small_patch8_224.dino", tuned=False, title="DINO ViT-S/8, finer"),
    "dinov2-s14": Recipe("vit_small_patch14_dinov2.lvd142m", tuned=True, title="DINOv2 ViT-S/14"),
    "dinov3-s16": Recipe("vit_small_patch16_dinov3.lvd1689m", tuned=True, title="DINOv3 ViT-S/16"),
}


@dataclass(frozen=True)
class Place:
    """Where the data are and the results go.

    Args:
        out: Folder of the results.
        root: The data root; None: that of the configs.
        train: The photos to train on; no mask is read.
        test: The sets to measure on, comma-separated; empty for none.
        weights: ``hub``, a file, or ``null`` for random weights.
    """

    out: Path
    root: str | None
    train: str
    test: str
    weights: str


def first_steps(recipe: Recipe, place: Place, more: Sequence[str]) -> Iterator[list[str]]:
    """Yield the command lines that tune and train.

    Args:
        recipe: The recipe.
        place: Data and results.
        more: Further options of `fit`.
    """
    backbone = [f"--model.backbone.name={recipe.backbone}"]
    backbone += [f"--model.backbone.weights={place.weights}"]
    data = [*_root(place), f"--data.train={place.train}"]
    tuned = place.out / "tuned"
    if recipe.tuned:
        yield ["tune", *backbone, *data, f"--out={tuned}"]
    configs = ["--config=peekaboo_plus"]
    configs += [f"--config={tuned / 'tuned.yaml'}"] if recipe.tuned else []
    backbone.append("--model.backbone.pos_embed=auto")
    yield ["fit", *configs, *backbone, *data, f"--out={place.out / 'run'}", *more]


def last_steps(place: Place, more: Sequence[str]) -> Iterator[list[str]]:
    """Yield the command lines that measure, export and describe what was trained.

    Args:
        place: Data and results.
        more: Further options; those of the trainer concern the measuring too.
    """
    best = place.out / "run" / "best.ckpt"
    ckpt = f"--ckpt={best if best.is_file() else best.with_name('last.ckpt')}"
    table = place.out / "table"
    if place.test:
        trainer = [word for word in more if word.startswith(("--trainer.acc", "--trainer.dev"))]
        sets = [*_root(place), f"--data.test={place.test}", "--refine=none,bilateral"]
        yield ["evaluate", ckpt, *sets, f"--out={table}", *trainer]
    metrics = [f"--metrics={table}"] if place.test else []
    yield ["export", ckpt, f"--out={place.out / 'model'}", "--onnx", *metrics]


def _root(place: Place) -> list[str]:
    return [] if place.root is None else [f"--data.root={place.root}"]
