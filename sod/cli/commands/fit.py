"""`sod fit`: train a method."""

from pathlib import Path

from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

from sod.cli.program import Program, console, make_folder
from sod.errors import SodError


def fit(cli: Program, out: str | None = None, ckpt: str | None = None) -> int:
    """Train a method on images; masks are not opened unless data.supervised says so.

    Args:
        cli: The assembled program.
        out: Folder of the run; by default runs/METHOD/NUMBER.
        ckpt: Checkpoint to go on from.
    """
    method = cli.method
    name = type(method).__name__
    if not method.learns():
        raise SodError(
            f"{name} is training-free, there is nothing to fit: use `evaluate` or `predict`."
        )
    folder = make_folder(out or str(next_run(Path("runs") / name)))
    cli.save_config(folder / "config.yaml")
    last = ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    logger = TensorBoardLogger(folder, name="", version="tensorboard")
    trainer = cli.build_trainer([last], logger=logger, enable_checkpointing=True)
    trainer.fit(method, cli.datamodule, ckpt_path=ckpt, weights_only=True)
    console.print(f"{trainer.global_step} steps; checkpoint and log in {folder}")
    return 0


def next_run(parent: Path) -> Path:
    """Return ``parent`` / the first number that no run has yet."""
    numbers = [int(entry.name) for entry in parent.glob("*") if entry.name.isdigit()]
    return parent / str(max(numbers, default=-1) + 1)
