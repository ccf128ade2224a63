"""The trainings of the long torture, each with the number of processes that it runs in."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from helpers.places import CONFIGS
from PIL import Image

from sod.data.samples import discover_images
from sod.data.synthetic import write_scenes

IMAGES, SIDE = 12, 64
STEPS = 120
"""Optimiser steps of each training."""
SAVE_EVERY = 4

COMMON = [
    *("--data.batch_size=4", "--data.batch_size_per=step", "--data.size=32", "--data.val_images=1"),
    *("--trainer.accelerator=cpu", f"--trainer.max_steps={STEPS}", "--trainer.max_epochs=-1"),
    *("--trainer.val_check_interval=24", "--trainer.check_val_every_n_epoch=null"),
    *("--trainer.log_every_n_steps=4", "--trainer.precision=32-true", "--strict"),
    *("--trainer.enable_model_summary=false", f"--save_every={SAVE_EVERY}"),
]

CONNNET = [
    *("--model=ConnNet", "--data.num_workers=0", "--model.network"),
    json.dumps({"width": 4, "relation": False, "layers": 1, "dropout": 0.3, "finest": 8}),
]
STUDENT = [
    *("--model=Student", "--data.num_workers=0"),
    *("--model.network", json.dumps({"kind": "unet", "width": 4, "size": 32})),
]
PEEKABOO = ["--config", str(CONFIGS / "peekaboo_plus.yaml"), "--data.num_workers=1"]
"""With a worker process, which has to end with the training."""


class Training(NamedTuple):
    """A training that is disturbed.

    Args:
        name: Its name in the report.
        ranks: The numbers of processes among which each start draws.
        own: Its own words of the command line.
    """

    name: str
    ranks: tuple[int, ...]
    own: list[str]

    def command(self, scenes: Path, out: Path) -> list[str]:
        """Return the command line, which starts the run and goes on with it."""
        return ["fit", *self.own, *COMMON, "--data.train", str(scenes), "--out", str(out)]


def trainings(place: Path, weights: Path | None) -> list[Training]:
    """Return the trainings.

    Args:
        place: Folder for the config of a teacher.
        weights: Weights file of a ViT-Tiny; None: features without weights.
    """
    backbone = {"name": "descriptor", "weights": None}
    if weights is not None:
        backbone = {"name": "vit_tiny_patch16_224", "weights": str(weights), "block": 6}
    options = [f"--model.backbone.{k}={'null' if v is None else v}" for k, v in backbone.items()]
    return [
        Training("ConnNet, one process", (1,), [*CONNNET, *options]),
        Training("U-Net student, two processes", (2,), [*STUDENT, _teacher(place, backbone)]),
        Training("PEEKABOO, one or two processes", (1, 2), [*PEEKABOO, *options]),
    ]


def _teacher(place: Path, backbone: dict[str, Any]) -> str:
    file = place / "teacher.yaml"
    model = {"class_path": "TokenCut", "init_args": {"backbone": backbone}}
    file.write_text(json.dumps({"model": model}), encoding="utf-8")
    return f"--model.labels.teacher={file}"


def make_images(to: Path, source: Path | None) -> Path:
    """Write evenly spaced photos of a folder, reduced, or built-in scenes; return the dataset."""
    if source is None:
        write_scenes(to, count=IMAGES, size=SIDE, seed=5)
        shutil.rmtree(to / "masks")
        return to
    (to / "images").mkdir(parents=True)
    found = discover_images(source)
    for number in range(IMAGES):
        file = found[number * len(found) // IMAGES]
        with Image.open(file) as photo:
            photo.thumbnail((SIDE, SIDE))
            photo.convert("RGB").save(to / "images" / f"{file.stem}.jpg", quality=95)
    return to
