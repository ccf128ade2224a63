"""The folder of a run: whether a training may write there, and where it goes on."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sod.core.errors import SodError
from sod.core.files import read_yaml
from sod.engine.run_images import IMAGES

CONFIG = "config.yaml"
FILES = (
    *(CONFIG, "last.ckpt", "best.ckpt", "pipeline.json", "generations.png"),
    *("student.ckpt", "student.safetensors"),
)
FOLDERS = ("tensorboard", "pseudo", "gen[0-9]*", "distilled")
"""What a run writes, and what ``--overwrite`` removes."""

DATA = {"root", "val", "test", "eval_batch_size", "num_workers", "val_images", "val_masks"}
"""Options of the data that do not change the training."""
TRAINER = {"precision", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"}
TRAINER |= {"limit_train_batches", "overfit_batches"}
"""Options of the trainer that do."""


class RunPlan(NamedTuple):
    """Where a run is written, and what it goes on from.

    Args:
        folder: The folder.
        resume: The checkpoint to resume exactly; None: the run begins.
    """

    folder: str
    resume: str | None


def holds_run(folder: Path) -> bool:
    """Return whether there is a run in a folder."""
    return any((folder / name).is_file() for name in FILES)


def clear_run(folder: Path, ckpt: str | None) -> None:
    """Remove the run in a folder; files that it did not write stay.

    Raises:
        SodError: The checkpoint to start from is part of it, or a file cannot be removed.
    """
    if ckpt is not None and folder.resolve() in Path(ckpt).resolve().parents:
        raise SodError(f"--overwrite: would remove --ckpt {ckpt}: give another --out, or move it.")
    try:
        for name in (*FILES, IMAGES):
            (folder / name).unlink(missing_ok=True)
        for pattern in FOLDERS:
            for path in folder.glob(pattern):
                shutil.rmtree(path)
    except OSError as error:
        raise SodError(f"--overwrite: {folder} cannot be cleared: {error.strerror}.") from error


def check_same_run(folder: Path, config: Path, earlier: Path) -> None:
    """Check that the run in a folder has this configuration, apart from its length and machine.

    Args:
        folder: The folder.
        config: A file with the present configuration.
        earlier: A file with the run's own, completed by the defaults of later options.

    Raises:
        SodError: It is another one; the message names what differs.
    """
    if not (folder / CONFIG).is_file():
        raise SodError(f"--out {folder}: holds checkpoints without their {CONFIG}: {REMEDY}")
    stated = dict(_relevant(read_yaml(folder / CONFIG, "--out"), folder))
    completed = dict(_relevant(read_yaml(earlier, "--out"), folder))
    here = dict(_relevant(read_yaml(config, "--config"), folder))
    # What is not stated was null (once left out of the file), or came later.
    unstated = {k for k in here if k not in stated and here[k] in (None, completed.get(k))}
    there = completed | stated
    keys = [k for k in {**there, **here} if k not in unstated and there.get(k) != here.get(k)]
    if keys:
        shown = ", ".join(f"{k} is {there.get(k)} there, {here.get(k)} here" for k in keys[:3])
        more = f", and {len(keys) - 3} more" if len(keys) > 3 else ""
        raise SodError(
            f"--out {folder}: holds a run of another configuration ({shown}{more}): {REMEDY}"
        )


REMEDY = "give another --out, or --overwrite to replace it."


def _relevant(config: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys and values of a configuration that a training depends on."""
    yield "seed_everything", config.get("seed_everything")
    ckpt = config.get("ckpt")
    own = ckpt is not None and Path(ckpt).resolve().parent == folder.resolve()
    yield "ckpt", None if own else ckpt
    for key, value in _flat(config.get("model"), "model."):
        yield key.replace(".init_args", ""), value
    for key, value in _flat(config.get("data"), "data."):
        if key.removeprefix("data.") not in DATA:
            yield key, value
    for key, value in _flat(config.get("trainer"), "trainer."):
        if key.removeprefix("trainer.") in TRAINER:
            yield key, value


def _flat(config: Any, prefix: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - read from YAML
    for name, value in (config or {}).items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
