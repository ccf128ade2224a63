"""`sod predict`: maps, overlays, cut-outs and boxes of images and videos."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sod.cli.program import Program, say, say_failed
from sod.core.devices import describe_device
from sod.core.distributed import is_rank_zero
from sod.core.errors import SodError
from sod.core.locks import shard_folder
from sod.core.names import one_line
from sod.core.shards import Shard, parse_shard
from sod.core.stopping import Interrupted
from sod.data.groups import share_of, whole_groups
from sod.data.sample_list import SampleList
from sod.data.samples import Sample
from sod.engine.checkpoint import load_checkpoint
from sod.labels.writing import write_labels
from sod.prediction.answer_writer import AnswerWriter
from sod.prediction.boxes import join_parts
from sod.prediction.callback import PredictionCallback
from sod.prediction.cutouts import CutoutOptions
from sod.prediction.instances import InstanceWriter
from sod.prediction.listing import list_inputs
from sod.prediction.look import Look
from sod.prediction.opacity import Keep, OpacityOptions
from sod.prediction.outputs import KINDS, Output, parse_outputs
from sod.prediction.resuming import begin, unfinished
from sod.prediction.sources import SourceData, without_results
from sod.prediction.videos import check_frames, predict_videos, unfinished_videos
from sod.prediction.writers import PredictionWriter
from sod.refinement.calibration import stated
from sod.refinement.kinds import Refinement, parse_refinements


def predict(
    cli: Program,
    source: str | list[str],
    out: str = "out",
    ckpt: str | None = None,
    output: str = "map,overlay,cutout",
    refine: str = "none",
    pseudo: str | None = None,
    threshold: float = 0.5,
    keep: Keep = "all",
    sharpen: float = 0.0,
    despill: bool = False,
    crop: bool = False,
    margin: float = 0.05,
    background: str | None = None,
    smooth: float = 0.0,
    frames: int | None = None,
    resume: bool = False,
    answers: int = 3,
    threads: int | None = None,
    shard: str | None = None,
    max_side: int | None = None,
) -> int:
    """Write maps, masks, overlays, cut-outs, boxes and instances of images and videos.

    Args:
        cli: The assembled program.
        source: Images, videos, folders (with their sub-folders), patterns such as "photos/*.jpg",
            camera or the number of one (with --frames), @list.txt or - for names on standard input;
            several of them, separated by spaces.
        out: Folder for the results, one sub-folder per kind of output.
        ckpt: Checkpoint of a trained method.
        output: What to write, comma-separated: map, mask, overlay, cutout (RGBA), boxes, coco
            (annotations.json), instances (labels, colours and boxes, of methods that separate
            objects), answers (several masks to choose from). Boxes are left, top, right, bottom.
            Of videos: map, mask, overlay (mp4) and cutout (ProRes 4444 and VP9, with alpha).
        refine: Refinement of the saliency: none, bilateral or adaptive.
        pseudo: Pseudo-label store to write instead; existing maps are not made again.
        threshold: Masks, boxes and crops hold what is above it; --sharpen is centred on it.
        keep: all objects, or only the largest one.
        sharpen: Contrast of the opacity of cut-outs and overlays, 0 (as the map) to 1 (binary).
        despill: Remove the background's colour from half-transparent pixels of cut-outs.
        crop: Crop cut-outs to the objects.
        margin: Free border of --crop, as a share of the longer side.
        background: Colour (white, "#20a0ff") or image to lay cut-outs on, instead of transparency.
        smooth: Weight of the earlier frames of a video in each map, 0 to below 1.
        frames: Number of frames after which a video, or a camera, ends.
        resume: Leave out images and videos whose results are complete.
        answers: With the output answers, the largest number of them for an image.
        threads: Threads that refine and write while the next image is predicted; null: half of the
            CPUs, or all where they predict too (TokenCut on a CPU). 0: none. The results do not
            depend on it.
        shard: Predict on every 16th image from the third on: 3/16. Runs with the same --out (or
            --pseudo) may go on at the same time; the same command without --shard, with --resume,
            joins annotations and stores.
        max_side: Shrink larger images to so many pixels on the longer side, before they are
            predicted; the results have that size. Null: results have the size of their image.
    """
    look = Look(
        OpacityOptions(threshold, keep, sharpen), CutoutOptions(despill, crop, margin, background)
    )
    outputs, refinement = parse_outputs(output), parse_refinements(refine)[0]
    part = parse_shard(shard)
    options = (smooth, answers, frames, threads, part, max_side)
    job = _Job(Path(out), outputs, refinement, look, *options)
    _check_max_side(job, pseudo)
    inputs = list_inputs(source)
    check_frames(inputs.videos, frames)
    if not part.is_whole and inputs.videos:
        raise SodError(f"--shard: {inputs.videos[0].image} is a video; shards are of images.")
    if max_side is not None and inputs.videos:
        raise SodError(f"--max-side: {inputs.videos[0].image} is a video; it is for images.")
    results = [job.folder / kind for kind in KINDS] if pseudo is None else [Path(pseudo)]
    images = _without_results(inputs.images, results)
    load_checkpoint(cli.method, ckpt)
    images = share_of(images, part, cli.method.reads_groups())
    if pseudo is not None:
        return _label(cli, images, shard_folder(pseudo, part, "--pseudo"), job)
    shard_folder(out, part)
    if is_rank_zero():
        begin(job.folder, _settings(cli, job), resume or not part.is_whole)
    try:
        failures = _predict_images(cli, images, job, resume)
        if inputs.videos:
            failures += _predict_videos(cli, inputs.videos, job, resume)
    except Interrupted as stop:
        stop.advice = "The same command with --resume goes on."
        raise
    return _report(failures)


@dataclass(frozen=True)
class _Job:
    """What is written, where, and how it looks."""

    folder: Path
    outputs: list[Output]
    refinement: Refinement
    look: Look
    smooth: float
    answers: int
    frames: int | None
    threads: int | None
    shard: Shard
    max_side: int | None


def _check_max_side(job: _Job, pseudo: str | None) -> None:
    """Raise an error if the limit is none, or if results must have the size of their images."""
    if job.max_side is None:
        return
    if job.max_side < 1:
        raise SodError(f"--max-side {job.max_side}: is not at least 1.")
    if pseudo is not None:
        raise SodError("--max-side: labels have the size of their images: leave out one of the two")


def _predict_images(cli: Program, images: Sequence[Sample], job: _Job, resume: bool) -> list[str]:
    """Predict on images, say where and on which device, and return the failures."""
    groups = cli.method.reads_groups()
    waiting: Sequence[Sample] = images
    if resume:
        waiting = unfinished(job.folder, images, job.outputs)
    waiting = whole_groups(images, waiting) if groups else waiting
    if len(waiting) < len(images):
        _say(f"{len(images) - len(waiting)} of {len(images)} images are done already")
    counter, *others = _writers(images, job)
    assert isinstance(counter, PredictionWriter)  # noqa: S101 - narrows the type
    if waiting:
        own = cli.datamodule
        data = SourceData(
            waiting, own.num_workers, groups, job.max_side, together=own.eval_batch_size
        )
        trainer = cli.build_trainer([counter, *others])
        trainer.predict(cli.method, datamodule=data, return_predictions=False)
        device = describe_device(trainer.strategy.root_device)
        what = f"{', '.join(job.outputs)} in {job.folder}"
        _say(f"{counter.written} of {len(waiting)} images on {device}: {what}")
    if "coco" in job.outputs and job.shard.is_whole and images and is_rank_zero():
        target = job.folder / "annotations.json"
        _say(f"{target}: {join_parts(job.folder / 'coco', images, target)} images")
    return counter.failures


def _writers(images: Sequence[Sample], job: _Job) -> list[PredictionCallback]:
    """Return the callbacks that write the outputs; the first counts the images."""
    writers: list[PredictionCallback] = [
        PredictionWriter(
            job.folder, job.outputs, job.refinement, job.look, job.threads, job.max_side
        )
    ]
    if "instances" in job.outputs:
        writers.append(InstanceWriter(job.folder, job.max_side))
    if "answers" in job.outputs:
        names = [sample.name for sample in images]
        writers.append(AnswerWriter(job.folder, job.answers, job.refinement, names, job.max_side))
    return writers


def _predict_videos(cli: Program, videos: list[Sample], job: _Job, resume: bool) -> list[str]:
    """Predict on videos in the first process, and return the failures."""
    trainer = cli.build_trainer([])
    if not trainer.is_global_zero:
        return []
    waiting = unfinished_videos(job.folder, videos, job.outputs) if resume else videos
    if len(waiting) < len(videos):
        _say(f"{len(videos) - len(waiting)} of {len(videos)} videos are done already")
    return predict_videos(
        cli.method,
        waiting,
        job.folder,
        job.outputs,
        job.refinement,
        job.look,
        job.smooth,
        trainer.strategy.root_device,
        _say,
        job.frames,
    )


def _settings(cli: Program, job: _Job) -> dict[str, Any]:
    """Return what the results depend on."""
    return {
        "method": type(cli.method).__name__,
        "arguments": cli.method.arguments(),
        "weights": cli.method.weights_checksum(),
        "refine": job.refinement,
        "smooth": job.smooth,
        "max_side": job.max_side,
        **asdict(job.look.opacity),
        **asdict(job.look.cutout),
        **stated(cli.method.calibrations),
    }


def _without_results(found: SampleList, results: Sequence[Path]) -> Sequence[Sample]:
    """Leave out the results that lie among the images."""
    if not found:
        return []
    samples = without_results(found, results)
    if len(samples) < len(found):
        _say(f"{len(found) - len(samples)} images are results of an earlier run: left out")
    return samples


def _label(cli: Program, samples: Sequence[Sample], folder: Path, job: _Job) -> int:
    """Write the maps into a pseudo-label store."""
    if not samples:
        raise SodError("--pseudo: needs images; `sod video --pseudo` labels the frames of a video.")
    written = write_labels(
        {"method": cli.method},
        samples,
        {"method": folder},
        cli.build_trainer,
        refinement=job.refinement,
        workers=cli.datamodule.configured_workers,
        collect_failures=True,
        threads=job.threads,
        shard=job.shard,
        together=cli.datamodule.eval_batch_size,
    )
    _say(f"{written.count} pseudo-masks made, {len(samples)} images, in {folder}")
    return _report(written.failures)


def _say(line: str) -> None:
    """Print one line; the first process does it."""
    if is_rank_zero():
        say(one_line(line))


def _report(failures: Sequence[str]) -> int:
    """Print the failures, and return the exit code."""
    if is_rank_zero():
        say_failed(failures)
    return 1 if failures else 0
