"""`sod calibrate`: a model whose maps are as certain as they are right, found without masks."""

from pathlib import Path
from typing import Any

from sod.cli.program import Program, say, say_failed
from sod.core.distributed import is_rank_zero
from sod.core.errors import SodError
from sod.engine.checkpoint import (
    ONNX_METHOD,
    AtomicCheckpointIO,
    checkpoint_of,
    load_checkpoint,
    read_checkpoint,
)
from sod.engine.method import Method
from sod.engine.model_file import write_model
from sod.prediction.calibrating import Calibrating
from sod.prediction.listing import list_inputs
from sod.prediction.sources import SourceData
from sod.refinement.calibration import NONE, stated
from sod.refinement.kinds import parse_refinements
from sod.tuning.tune import evenly_spaced


def calibrate(
    cli: Program,
    source: str | list[str],
    out: str = "calibrated.ckpt",
    ckpt: str | None = None,
    refine: str = "none,bilateral,adaptive",
    images: int = 100,
    tolerance: float = 0.01,
) -> int:
    """Find without masks how certain the maps of a model may be, and store that with the model.

    Args:
        cli: The assembled program.
        source: Photos without masks, as of `sod predict`: those of the training will do.
        out: The calibrated model, FILE.ckpt or FILE.safetensors; evaluate, predict, discover,
            export, demo and sod.load calibrate its maps.
        ckpt: Checkpoint of a trained method.
        refine: Refinements, comma-separated, that maps are calibrated after.
        images: Number of photos, evenly spaced in the source.
        tolerance: How far the mean absolute error may be above the error of the mask at 0.5.
    """
    method, file = cli.method, Path(out)
    kinds = parse_refinements(refine)
    _check(method, file, ckpt, images, tolerance)
    samples = evenly_spaced(list_inputs(source).images, images)
    if not samples:
        raise SodError("--source: needs photos; a video is none.")
    load_checkpoint(method, ckpt)
    method.calibrations = NONE
    calibrating = Calibrating(kinds)
    own = cli.datamodule
    data = SourceData(samples, own.num_workers, method.reads_groups(), together=own.eval_batch_size)
    trainer = cli.build_trainer([calibrating])
    trainer.predict(method, datamodule=data, return_predictions=False)
    method.calibrations = calibrating.calibrations(tolerance)
    if is_rank_zero():
        _write(method, file, ckpt)
    for kind, each in method.calibrations.items():
        say(f"{kind}: temperature {each.temperature:.3f}")
    say(f"{file}: calibrated on {len(samples) - len(calibrating.failures)} photos")
    say_failed(calibrating.failures)
    return 1 if calibrating.failures else 0


def _check(method: Method, file: Path, ckpt: str | None, images: int, tolerance: float) -> None:
    if type(method).__name__ == ONNX_METHOD:
        raise SodError(f"--ckpt {ckpt}: is a graph; calibrate its checkpoint and export that.")
    if ckpt is None and method.is_trainable():
        raise SodError(f"{type(method).__name__} has to be trained first: give --ckpt FILE.")
    if file.suffix not in {".ckpt", ".safetensors"}:
        raise SodError(f"--out {file}: end it in .ckpt or .safetensors.")
    if ckpt is not None and file.exists() and file.samefile(ckpt):
        raise SodError(f"--out {file}: is the checkpoint itself: give another name.")
    if images < 1:
        raise SodError(f"--images {images}: is not at least 1.")
    if not 0 < tolerance < 1:
        raise SodError(f"--tolerance {tolerance}: is not between 0 and 1.")


def _write(method: Method, file: Path, ckpt: str | None) -> None:
    """Write the weights, the arguments and the calibration."""
    if file.suffix == ".safetensors":
        write_model(method.portable(), file)
        return
    content: dict[str, Any] = checkpoint_of(method) | stated(method.calibrations)
    if ckpt is not None:
        before = read_checkpoint(ckpt)
        content |= {key: before[key] for key in ("trained_on",) if key in before}
    AtomicCheckpointIO().save_checkpoint(content, file)
