"""What the tests of training through the command line share."""

from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from helpers.places import CONFIGS
from sod.data.synthetic import write_scenes
from sod.engine.checkpoint import read_checkpoint

CONFIG = CONFIGS / "peekaboo_plus.yaml"
STEPS = 8


def unlabelled_scenes(folder: Path) -> Path:
    """Write 12 scenes whose masks cannot be read."""
    write_scenes(folder, count=12, size=64, seed=5)
    for mask in (folder / "masks").iterdir():
        mask.write_bytes(b"no label-free training may open this")
    return folder


def arguments(scenes: Path, out: Path | None, *more: str) -> list[str]:
    """Return the command line of a short training; ``out`` None: the run chooses its folder."""
    return [
        *("fit", "--config", str(CONFIG), "--data.train", str(scenes)),
        *([] if out is None else ["--out", str(out)]),
        *("--model.backbone.name=descriptor", "--model.backbone.weights=null"),
        *("--data.size=48", "--data.num_workers=0", "--data.val_images=2"),
        *("--trainer.accelerator=cpu", "--trainer.log_every_n_steps=1"),
        *(f"--trainer.max_steps={STEPS}", "--trainer.val_check_interval=2", "--save_every=1"),
        *more,
    ]


def weights(out: Path) -> dict[str, torch.Tensor]:
    """Return the state that a run ended with."""
    state: dict[str, torch.Tensor] = read_checkpoint(out / "last.ckpt")["state_dict"]
    return state


def losses(out: Path, term: str = "loss") -> list[float]:
    """Return the logged values of a term of the loss."""
    return logged(out)[f"train/{term}"]


def logged(out: Path, prefix: str | tuple[str, ...] = "") -> dict[str, list[float]]:
    """Return the logged values of a run by name, of the names that begin with ``prefix``."""
    return {name: [value for _, value in each] for name, each in points(out, prefix).items()}


def points(out: Path, prefix: str | tuple[str, ...] = "") -> dict[str, list[tuple[int, float]]]:
    """Return the logged steps and values of a run by name, as :func:`logged`."""
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    names = [name for name in events.Tags()["scalars"] if name.startswith(prefix)]
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in names}
