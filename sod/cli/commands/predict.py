"""`sod predict`: maps, overlays and cut-outs of own images."""

from pytorch_lightning.callbacks import Callback

from sod.cli.program import Program, console, make_folder
from sod.data.samples import Sample
from sod.engine.checkpoint import load_weights
from sod.evaluation.evaluator import parse_refinements
from sod.labels.store import LabelStore
from sod.labels.teachers import source_of
from sod.labels.writing import InstanceWriter, PseudoWriter
from sod.prediction.writers import PredictionWriter, SourceData, find_sources, parse_outputs
from sod.refine.refinement import Refinement


def predict(
    cli: Program,
    source: str,
    out: str = "out",
    ckpt: str | None = None,
    output: str = "map,overlay,cutout",
    refine: str = "none",
    pseudo: str | None = None,
) -> int:
    """Write saliency maps, overlays and cut-outs of an image or a folder.

    Args:
        cli: The assembled program.
        source: An image, or a folder (with its sub-folders).
        out: Folder for the results, one sub-folder per kind of output.
        ckpt: Checkpoint of a trained method.
        output: What to write, comma-separated: map, overlay, cutout (RGBA), instances (label map
            and boxes, of methods that tell objects apart).
        refine: Refinement of the saliency: none or bilateral.
        pseudo: Pseudo-label store to write instead; what it holds already is not made again.
    """
    outputs, refinement = parse_outputs(output), parse_refinements(refine)[0]
    samples = find_sources(source)
    load_weights(cli.method, ckpt)
    if pseudo is not None:
        return _label(cli, samples, pseudo, refinement)
    folder = make_folder(out)
    writer = PredictionWriter(folder, outputs, refinement)
    callbacks: list[Callback] = [writer]
    if "instances" in outputs:
        callbacks.append(InstanceWriter(folder))
    data = SourceData(samples, cli.datamodule.num_workers)
    trainer = cli.build_trainer(callbacks)
    trainer.predict(cli.method, datamodule=data, return_predictions=False)
    if trainer.is_global_zero:
        console.print(
            f"{writer.written} of {len(samples)} images: {', '.join(outputs)} in {folder}"
        )
        _report(writer.failures)
    return 1 if writer.failures else 0


def _label(cli: Program, samples: list[Sample], folder: str, refinement: Refinement) -> int:
    store = LabelStore(make_folder(folder), source_of(cli.method, refinement))
    missing = store.missing(samples)
    writer = PseudoWriter(store, refinement)
    trainer = cli.build_trainer([writer])
    if missing:
        data = SourceData(missing, cli.datamodule.num_workers)
        trainer.predict(cli.method, datamodule=data, return_predictions=False)
    if trainer.is_global_zero:
        console.print(f"{writer.written} pseudo-masks made, {len(samples)} images, in {folder}")
        _report(writer.failures)
    return 1 if writer.failures else 0


def _report(failures: list[str]) -> None:
    for failure in failures:
        console.print(f"[red]failed[/] {failure}", highlight=False, soft_wrap=True)
