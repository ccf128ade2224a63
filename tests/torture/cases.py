"""The commands that are attacked: trainings of each method, and what is done with the result.

All are small enough for hundreds of runs.
"""

import json
from pathlib import Path

from helpers import generation_runs, training_runs
from helpers.generation_runs import NETWORK

from sod.data.synthetic import write_scenes

SCENES = 10
FREE = ["--model.backbone.name=descriptor", "--model.backbone.weights=null"]
LEARNER = [
    *("--data.size=32", "--data.batch_size=4", "--data.num_workers=0", "--data.val_images=2"),
    *("--trainer.accelerator=cpu", "--trainer.max_steps=8", "--trainer.max_epochs=-1"),
    *("--trainer.val_check_interval=3", "--trainer.check_val_every_n_epoch=null"),
    *("--save_every=2", "--trainer.log_every_n_steps=1", "--trainer.enable_model_summary=false"),
]


def make_scenes(folder: Path) -> Path:
    """Write the images that all cases are trained on."""
    write_scenes(folder, count=SCENES, size=48, seed=5)
    return folder


def peekaboo(scenes: Path, out: Path) -> list[str]:
    """PEEKABOO: a head on frozen features, validated every two steps."""
    more = ["--data.batch_size=4", "--trainer.enable_model_summary=false", "--save_every=3"]
    return training_runs.arguments(scenes, out, *more)


def connnet(scenes: Path, out: Path) -> list[str]:
    """ConnNet on pseudo-masks of TokenCut, which are a store in the run."""
    own = ["--model=ConnNet", "--model.network", json.dumps(NETWORK), *FREE]
    return ["fit", *own, *LEARNER, "--data.train", str(scenes), "--out", str(out)]


def student(scenes: Path, out: Path) -> list[str]:
    """A U-Net from scratch on pseudo-masks of TokenCut."""
    own = ["--model=Student", "--model.network", '{"kind": "unet", "width": 4, "size": 32}']
    teacher = scenes.parent / "teacher.yaml"
    text = "model: {class_path: TokenCut, init_args: {backbone: {name: descriptor, weights: null}}}"
    teacher.write_text(f"{text}\n")
    own += ["--model.labels.teacher", str(teacher)]
    return ["fit", *own, *LEARNER, "--data.train", str(scenes), "--out", str(out)]


def generations(scenes: Path, out: Path) -> list[str]:
    """One generation of two students, its ensemble and quality network."""
    short = ["--trainer.max_steps=3", "--model.generations=1"]
    return generation_runs.arguments(scenes, out, *short)


def predict(scenes: Path, out: Path) -> list[str]:
    """Maps, overlays and cut-outs."""
    source = ["--source", str(scenes / "images"), "--output", "map,overlay,cutout"]
    return [
        "predict",
        "--model=TokenCut",
        *FREE,
        *source,
        "--data.num_workers=0",
        "--out",
        str(out),
    ]


def evaluate(scenes: Path, out: Path) -> list[str]:
    """Tables, curves and saved maps, with and without refinement."""
    own = ["--data.test", str(scenes), "--refine=none,bilateral", "--save_maps"]
    return ["evaluate", "--model=TokenCut", *FREE, *own, "--data.num_workers=0", "--out", str(out)]


def export(scenes: Path, out: Path) -> list[str]:
    """Weights, configuration and card."""
    return ["export", "--model=TokenCut", *FREE, "--out", str(out)]


TRAININGS = {case.__name__: case for case in (peekaboo, connnet, student, generations)}
CASES = TRAININGS | {case.__name__: case for case in (predict, evaluate, export)}
"""By name: the command line that reads these scenes and writes into a folder."""
