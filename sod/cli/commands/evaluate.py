"""`sod evaluate` and `sod test`: metrics of a method, a checkpoint or saved maps."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sod.cli.commands.benchmark import report_options
from sod.cli.program import Program, console, say
from sod.core.errors import SodError
from sod.core.locks import shard_folder
from sod.core.names import check_file_name, one_line
from sod.core.shards import WHOLE, Shard, parse_shard
from sod.engine.checkpoint import load_checkpoint
from sod.evaluation.answers import AnswerEvaluation, answers_table
from sod.evaluation.callback import Evaluation
from sod.evaluation.evaluator import Result
from sod.evaluation.gallery import Gallery
from sod.evaluation.map_sources import MapSource, map_files, parse_sources
from sod.evaluation.pictures import Pictures
from sod.evaluation.plan import Plan, Report, make_plan
from sod.evaluation.reports import rich_table
from sod.evaluation.saved_maps import Findings, evaluate_maps
from sod.evaluation.shards import Parts
from sod.evaluation.statistics import Statistics
from sod.evaluation.writing import write_results
from sod.metrics.protocols import get_protocol
from sod.refinement.calibration import stated


def evaluate(
    cli: Program,
    out: str = "out",
    ckpt: str | None = None,
    maps: str | None = None,
    protocol: str = "mean-max",
    refine: str = "none",
    measures: str = "default",
    save_maps: bool = False,
    label: str | None = None,
    published: bool = False,
    answers: int | None = None,
    resamples: int = 10000,
    against: str | None = None,
    missing: str = "mark",
    strict: bool = False,
    attributes: str | None = None,
    by: str = "iou",
    pictures: bool = True,
    threads: int | None = None,
    shard: str | None = None,
) -> int:
    """Evaluate a method, a checkpoint or saved maps on test sets; write tables and figures.

    Args:
        cli: The assembled program.
        out: Folder for the tables, curves, pictures and report.html.
        ckpt: Checkpoint of a trained method.
        maps: Folders of saved maps to evaluate instead of a method, comma-separated: FOLDER,
            NAME=FOLDER or 'NAME=FOLDER/*_sal.png'.
        protocol: Metric protocol: mean-max, image-max, a2s, pysod, ...
        refine: Refinements, comma-separated, one row each: none, bilateral, adaptive.
        measures: Measures: default, boundary, size, context, all, or names, comma-separated.
        save_maps: Also write the saliency maps, to OUT/maps.
        label: Name of the method in tables, figures and the folder of its maps; by default its
            class.
        published: Show published rows of the same protocol in metrics.md and metrics.tex.
        answers: Also measure up to so many answers to each image, unrefined: answers.json, .csv.
        resamples: Resamples of bootstrap and sign-flip test; 0 for none.
        against: Method that all others are compared with; by default all pairs.
        missing: Images without a map: mark the set, refuse, or score it as empty.
        strict: Refuse sets that lack maps.
        attributes: CSV file with attributes of the images, one row each (column: name).
        by: Measure of attributes and galleries.
        pictures: Write attributes, galleries and report.html.
        threads: Threads that refine, measure and save while the next image is predicted; null: half
            of the CPUs, or all where they predict too (TokenCut on a CPU). 0: none, for undisturbed
            times. The results do not depend on it.
        shard: Evaluate every 16th image from the third on: 3/16. The last of 1/16 to 16/16 with the
            same --out joins them exactly, and writes what one evaluation writes.
    """
    if save_maps and label is not None:
        check_file_name(label, "--label")
    plan = make_plan(protocol, refine, measures, missing, strict)
    options = report_options(
        {"resamples": resamples, "against": against, "attributes": attributes, "by": by}
        | {"pictures": pictures}
    )
    report = Report(published=protocol if published else None, **options)
    part = parse_shard(shard)
    if not part.is_whole and (maps is not None or answers is not None):
        raise SodError("--shard: does not go together with --maps or --answers.")
    folder = shard_folder(out, part)
    findings: list[Findings] = []
    several = _several(cli, answers, maps, plan)
    save = folder / "maps" if save_maps else None
    if maps is not None:
        results, findings, shown = _run_maps(cli, maps, plan, label, save)
    else:
        results, shown = _run(cli, ckpt, plan, save, label, several, threads, folder, part), None
        if save is not None and results:
            shown = _saved(cli, results, save)
    if results:
        _write(results, folder, report, shown, several)
    lines = [line for finding in findings for line in finding.lines()]
    for line in lines:
        say(one_line(line), "red")
    return 1 if lines else 0


def test(
    cli: Program,
    ckpt: str | None = None,
    protocol: str = "mean-max",
    refine: str = "none",
    measures: str = "default",
) -> int:
    """Print the metrics of a method or checkpoint on test sets; write nothing.

    Args:
        cli: The assembled program.
        ckpt: Checkpoint of a trained method.
        protocol: Metric protocol: mean-max, image-max, a2s, pysod, ...
        refine: Refinements, comma-separated, one row each: none, bilateral, adaptive.
        measures: Measures: default, boundary, size, context, all, or names, comma-separated.
    """
    results = _run(cli, ckpt, make_plan(protocol, refine, measures), None, None)
    if results:
        _print_table(results)
    return 0


def _run(
    cli: Program,
    ckpt: str | None,
    plan: Plan,
    maps: Path | None,
    label: str | None,
    answers: AnswerEvaluation | None = None,
    threads: int | None = None,
    folder: Path = Path(),
    shard: Shard = WHOLE,
) -> list[Result]:
    load_checkpoint(cli.method, ckpt)
    if cli.method.reads_groups():
        cli.datamodule.read_groups()
    names = cli.datamodule.test_names
    name = label or type(cli.method).__name__
    cli.datamodule.shard = shard
    parts = Parts(folder / "shards", shard, _about(cli, name, names, plan))
    save = None if shard.is_whole else parts.save
    evaluation = Evaluation(name, names, plan, maps, threads, save)
    callbacks = [evaluation] if answers is None else [evaluation, answers]
    trainer = cli.build_trainer(callbacks)
    trainer.test(cli.method, datamodule=cli.datamodule, verbose=False)
    if not trainer.is_global_zero:
        return []
    return evaluation.results if shard.is_whole else _joined(parts, name, names, plan)


def _about(cli: Program, name: str, names: list[str], plan: Plan) -> dict[str, Any]:
    """Return what the results depend on."""
    return {
        "method": name,
        "arguments": json.dumps(cli.method.arguments(), sort_keys=True, default=str),
        "weights": cli.method.weights_checksum(),
        "data": {name: len(samples) for name, samples in cli.datamodule.test_samples()},
        "plan": json.dumps(asdict(plan), sort_keys=True, default=str),
        **stated(cli.method.calibrations),
    }


def _joined(parts: Parts, name: str, names: list[str], plan: Plan) -> list[Result]:
    """Return the results of all shards, or none while some are not there."""
    missing = parts.missing()
    if missing:
        numbers = ", ".join(map(str, missing[:16])) + (", ..." if len(missing) > 16 else "")
        console.print(f"shard {parts.shard} is measured; to come: {numbers}", highlight=False)
        return []
    whole = Evaluation(name, names, plan)
    parts.join(whole.evaluators)
    return [evaluator.result() for evaluator in whole.evaluators]


def _several(
    cli: Program, answers: int | None, maps: str | None, plan: Plan
) -> AnswerEvaluation | None:
    """Return what measures several answers to each image, if that is asked for."""
    if answers is None:
        return None
    if maps is not None:
        raise SodError("--answers: needs a method, not saved --maps.")
    rule = get_protocol(plan.protocol).mask_rule
    return AnswerEvaluation(cli.datamodule.test_names, answers, rule)


def _write(
    results: list[Result],
    folder: Path,
    report: Report,
    shown: Pictures | None,
    several: AnswerEvaluation | None,
) -> None:
    """Write and print the tables, and say where they are."""
    paths, statistics = write_results(results, folder, report, shown)
    _print_table(results, statistics, report.against)
    if several is not None:
        paths += several.write(folder)
        console.print(answers_table(several.means()))
    say(f"Written to {folder}: {', '.join(path.name for path in paths)}")


def _run_maps(
    cli: Program, maps: str, plan: Plan, label: str | None, save: Path | None
) -> tuple[list[Result], list[Findings], Pictures]:
    sources = parse_sources(maps)
    if label and len(sources) > 1:
        raise SodError("--label: names one folder of maps, but --maps gives several.")
    sources = [source._replace(label=label or source.label) for source in sources]
    results, findings = [], []
    sets = list(cli.datamodule.test_samples())
    pictures = Pictures(dict(sets))
    for name, samples in sets:
        gallery = Gallery()
        for source in sources:
            result, finding = evaluate_maps(source, name, samples, plan, gallery, save)
            pictures.add(name, source.label, map_files(source, name))
            results.append(result)
            findings.append(finding)
    return results, findings, pictures


def _saved(cli: Program, results: list[Result], save: Path) -> Pictures:
    """Return the pictures of a method whose maps were saved."""
    pictures = Pictures(dict(cli.datamodule.test_samples()))
    for result in results:
        for label in result.images:
            source = MapSource(label, str(save / label / result.dataset))
            pictures.add(result.dataset, label, map_files(source, result.dataset))
    return pictures


def _print_table(
    results: list[Result], statistics: Statistics | None = None, against: str | None = None
) -> None:
    rows = [row for result in results for row in result.rows]
    console.print(rich_table(rows, (), statistics, against))
