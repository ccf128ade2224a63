"""`sod evaluate` and `sod test`: the measures of a method, a checkpoint or saved maps."""

from pathlib import Path

from sod.callbacks import Evaluation
from sod.checkpoint import load_weights
from sod.cli.program import Program, console, make_folder
from sod.evaluation import Result, parse_refinements
from sod.metrics.protocols import get_protocol
from sod.metrics.report import rich_table
from sod.report import write_results


def evaluate(
    cli: Program,
    out: str = "out",
    ckpt: str | None = None,
    protocol: str = "mean-max",
    refine: str = "none",
    save_maps: bool = False,
) -> int:
    """Measure a method, a checkpoint or saved maps on test sets; write tables and figures.

    Args:
        cli: The assembled program.
        out: Folder for metrics.json, .csv, .md, .tex, per_image.csv, curves.png and grid.png.
        ckpt: Checkpoint of a trained method.
        protocol: Metric protocol: mean-max, image-max, a2s, pysod, ...
        refine: Refinements, comma-separated, a row each: none, bilateral.
        save_maps: Also write the saliency maps, below OUT/maps.
    """
    folder = make_folder(out)
    results = _run(cli, ckpt, protocol, refine, folder / "maps" if save_maps else None)
    if results:
        paths = write_results(results, folder)
        _show(results)
        names = ", ".join(path.name for path in paths)
        console.print(f"Written to {folder}: {names}", soft_wrap=True, highlight=False)
    return 0


def test(
    cli: Program,
    ckpt: str | None = None,
    protocol: str = "mean-max",
    refine: str = "none",
) -> int:
    """Print the measures of a method or checkpoint on test sets; write nothing.

    Args:
        cli: The assembled program.
        ckpt: Checkpoint of a trained method.
        protocol: Metric protocol: mean-max, image-max, a2s, pysod, ...
        refine: Refinements, comma-separated, a row each: none, bilateral.
    """
    results = _run(cli, ckpt, protocol, refine, None)
    if results:
        _show(results)
    return 0


def _run(
    cli: Program, ckpt: str | None, protocol: str, refine: str, maps: Path | None
) -> list[Result]:
    refinements = parse_refinements(refine)
    get_protocol(protocol)
    load_weights(cli.method, ckpt)
    names = cli.datamodule.test_names
    evaluation = Evaluation(type(cli.method).__name__, names, protocol, refinements, maps)
    trainer = cli.build_trainer([evaluation])
    trainer.test(cli.method, datamodule=cli.datamodule, verbose=False)
    return evaluation.results if trainer.is_global_zero else []


def _show(results: list[Result]) -> None:
    console.print(rich_table([row for result in results for row in result.rows]))
