"""`sod evaluate` and `sod test`: metrics of a method, a checkpoint or saved maps."""

from pathlib import Path

from sod.cli.program import Program, console
from sod.core.errors import SodError
from sod.core.files import make_folder
from sod.core.names import check_file_name
from sod.engine.checkpoint import load_checkpoint
from sod.evaluation.answers import AnswerEvaluation, answers_table
from sod.evaluation.callback import Evaluation
from sod.evaluation.evaluator import Result
from sod.evaluation.gallery import Gallery
from sod.evaluation.reports import rich_table
from sod.evaluation.saved_maps import Findings, evaluate_maps
from sod.evaluation.writing import write_results
from sod.metrics.protocols import get_protocol
from sod.refinement.kinds import Refinement, parse_refinements


def evaluate(
    cli: Program,
    out: str = "out",
    ckpt: str | None = None,
    maps: str | None = None,
    protocol: str = "mean-max",
    refine: str = "none",
    save_maps: bool = False,
    label: str | None = None,
    published: bool = False,
    answers: int | None = None,
) -> int:
    """Evaluate a method, a checkpoint or saved maps on test sets; write tables and figures.

    Args:
        cli: The assembled program.
        out: Folder for metrics.json, .csv, .md, .tex, per_image.csv, curves.png and grid.png.
        ckpt: Checkpoint of a trained method.
        maps: Folders of saved maps to evaluate instead of a method, comma-separated.
        protocol: Metric protocol: mean-max, image-max, a2s, pysod, ...
        refine: Refinements, comma-separated, one row each: none, bilateral.
        save_maps: Also write the saliency maps, to OUT/maps.
        label: Name of the method in tables, figures and the folder of its maps; by default its
            class.
        published: Show published rows of the same protocol in metrics.md and metrics.tex.
        answers: Also measure up to so many answers to each image, unrefined: answers.json, .csv.
    """
    if save_maps and label is not None:
        check_file_name(label, "--label")
    folder = make_folder(out)
    findings: list[Findings] = []
    several: AnswerEvaluation | None = None
    if answers is not None:
        if maps is not None:
            raise SodError("--answers: needs a method, not saved --maps.")
        several = AnswerEvaluation(cli.datamodule.test_names, answers)
    save = folder / "maps" if save_maps else None
    if maps is not None:
        kinds = parse_refinements(refine)
        results, findings = _run_maps(cli, maps, protocol, kinds, label, save)
    else:
        results = _run(cli, ckpt, protocol, refine, save, label, several)
    if results:
        paths = write_results(results, folder, protocol if published else None)
        _print_table(results)
        if several is not None:
            paths += several.write(folder)
            console.print(answers_table(several.means()))
        names = ", ".join(path.name for path in paths)
        console.print(f"Written to {folder}: {names}", soft_wrap=True, highlight=False)
    lines = [line for finding in findings for line in finding.lines()]
    for line in lines:
        console.print(f"[red]{line}[/]", soft_wrap=True, highlight=False)
    return 1 if lines else 0


def test(
    cli: Program,
    ckpt: str | None = None,
    protocol: str = "mean-max",
    refine: str = "none",
) -> int:
    """Print the metrics of a method or checkpoint on test sets; write nothing.

    Args:
        cli: The assembled program.
        ckpt: Checkpoint of a trained method.
        protocol: Metric protocol: mean-max, image-max, a2s, pysod, ...
        refine: Refinements, comma-separated, one row each: none, bilateral.
    """
    results = _run(cli, ckpt, protocol, refine, None, None)
    if results:
        _print_table(results)
    return 0


def _run(
    cli: Program,
    ckpt: str | None,
    protocol: str,
    refine: str,
    maps: Path | None,
    label: str | None,
    answers: AnswerEvaluation | None = None,
) -> list[Result]:
    refinements = parse_refinements(refine)
    get_protocol(protocol)
    load_checkpoint(cli.method, ckpt)
    if cli.method.reads_groups():
        cli.datamodule.read_groups()
    names = cli.datamodule.test_names
    name = label or type(cli.method).__name__
    evaluation = Evaluation(name, names, protocol, refinements, maps)
    callbacks = [evaluation] if answers is None else [evaluation, answers]
    trainer = cli.build_trainer(callbacks)
    trainer.test(cli.method, datamodule=cli.datamodule, verbose=False)
    return evaluation.results if trainer.is_global_zero else []


def _run_maps(
    cli: Program,
    maps: str,
    protocol: str,
    refinements: list[Refinement],
    label: str | None,
    save: Path | None,
) -> tuple[list[Result], list[Findings]]:
    folders = [Path(folder.strip()) for folder in maps.split(",")]
    if label and len(folders) > 1:
        raise SodError("--label: names one folder of maps, but --maps gives several.")
    results, findings = [], []
    for name, samples in cli.datamodule.test_samples():
        gallery = Gallery()
        for folder in folders:
            result, finding = evaluate_maps(
                folder, name, samples, protocol, refinements, gallery, label, save
            )
            results.append(result)
            findings.append(finding)
    return results, findings


def _print_table(results: list[Result]) -> None:
    console.print(rich_table([row for result in results for row in result.rows]))
