"""`sod predict`: maps, overlays and cut-outs of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pytorch_lightning.callbacks import Callback
from rich.markup import escape

from sod.cli.program import Program, console
from sod.core.distributed import is_rank_zero
from sod.core.files import make_folder
from sod.core.names import one_line
from sod.data.samples import Sample
from sod.engine.checkpoint import load_checkpoint
from sod.labels.writing import write_labels
from sod.prediction.answer_writer import AnswerWriter
from sod.prediction.instances import InstanceWriter
from sod.prediction.sources import SourceData, find_sources, without_results
from sod.prediction.working_size import WorkingSize
from sod.prediction.writers import Output, PredictionWriter, parse_outputs
from sod.refinement.kinds import Refinement, parse_refinements


def predict(
    cli: Program,
    source: str,
    out: str = "out",
    ckpt: str | None = None,
    output: str = "map,overlay,cutout",
    refine: str = "none",
    pseudo: str | None = None,
    answers: int = 3,
) -> int:
    """Write saliency maps, overlays and cut-outs of an image or a folder.

    Args:
        cli: The assembled program.
        source: An image, or a folder (with its sub-folders).
        out: Folder for the results, one sub-folder per kind of output.
        ckpt: Checkpoint of a trained method.
        output: What to write, comma-separated: map, overlay, cutout (RGBA), instances (label map
            and boxes, of methods that separate objects), answers (several masks to choose from).
        refine: Refinement of the saliency: none or bilateral.
        pseudo: Pseudo-label store to write instead; existing maps are not made again.
        answers: With the output answers, the largest number of them for an image.
    """
    outputs, refinement = parse_outputs(output), parse_refinements(refine)[0]
    results = [Path(out) / kind for kind in get_args(Output)] if pseudo is None else [Path(pseudo)]
    samples = _sources(source, results)
    load_checkpoint(cli.method, ckpt)
    if pseudo is not None:
        return _label(cli, samples, make_folder(pseudo), refinement)
    folder = make_folder(out)
    writer = PredictionWriter(folder, outputs, refinement)
    callbacks: list[Callback] = [writer]
    if "instances" in outputs:
        callbacks.append(InstanceWriter(folder))
    if "answers" in outputs:
        callbacks.append(AnswerWriter(folder, answers, refinement))
    groups = cli.method.reads_groups()
    data = SourceData(samples, cli.datamodule.num_workers, groups, WorkingSize())
    trainer = cli.build_trainer(callbacks)
    trainer.predict(cli.method, datamodule=data, return_predictions=False)
    summary = f"{writer.written} of {len(samples)} images: {', '.join(outputs)} in {folder}"
    return _report(summary, writer.failures)


def _sources(source: str, results: Sequence[Path]) -> list[Sample]:
    """List the images of a source without the results that lie among them."""
    found = find_sources(source)
    samples = without_results(found, results)
    if len(samples) < len(found) and is_rank_zero():
        count = len(found) - len(samples)
        line = f"{count} images in {source} are results of an earlier run: left out"
        console.print(escape(one_line(line)), highlight=False, soft_wrap=True)
    return samples


def _label(cli: Program, samples: list[Sample], folder: Path, refinement: Refinement) -> int:
    """Write the maps into a pseudo-label store."""
    written = write_labels(
        {"method": cli.method},
        samples,
        {"method": folder},
        cli.build_trainer,
        refinement=refinement,
        workers=cli.datamodule.configured_workers,
        collect_failures=True,
    )
    summary = f"{written.count} pseudo-masks made, {len(samples)} images, in {folder}"
    return _report(summary, written.failures)


def _report(summary: str, failures: Sequence[str]) -> int:
    """Print the summary and the failures, and return the exit code."""
    if is_rank_zero():
        console.print(escape(one_line(summary)), highlight=False, soft_wrap=True)
        for failure in failures:
            text = escape(one_line(failure))
            console.print(f"[red]failed[/] {text}", highlight=False, soft_wrap=True)
    return 1 if failures else 0
