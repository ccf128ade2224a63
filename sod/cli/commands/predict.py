"""`sod predict`: maps, overlays and cut-outs of own images."""

from sod.checkpoint import load_weights
from sod.cli.program import Program, console, make_folder
from sod.evaluation import parse_refinements
from sod.predict import PredictionWriter, SourceData, find_sources, parse_outputs


def predict(
    cli: Program,
    source: str,
    out: str = "out",
    ckpt: str | None = None,
    output: str = "map,overlay,cutout",
    refine: str = "none",
) -> int:
    """Write saliency maps, overlays and cut-outs of an image or a folder.

    Args:
        cli: The assembled program.
        source: An image, or a folder (with its sub-folders).
        out: Folder for the results, one sub-folder per kind of output.
        ckpt: Checkpoint of a trained method.
        output: What to write, comma-separated: map, overlay, cutout (RGBA).
        refine: Refinement of the saliency: none or bilateral.
    """
    outputs, refinement = parse_outputs(output), parse_refinements(refine)[0]
    samples = find_sources(source)
    load_weights(cli.method, ckpt)
    folder = make_folder(out)
    writer = PredictionWriter(folder, outputs, refinement)
    data = SourceData(samples, cli.datamodule.num_workers)
    trainer = cli.build_trainer([writer])
    trainer.predict(cli.method, datamodule=data, return_predictions=False)
    if trainer.is_global_zero:
        console.print(
            f"{writer.written} of {len(samples)} images: {', '.join(outputs)} in {folder}"
        )
        for failure in writer.failures:
            console.print(f"[red]failed[/] {failure}", highlight=False, soft_wrap=True)
    return 1 if writer.failures else 0
