"""Videos: maps, masks, overlays and cut-outs of every frame, as videos again."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from sod.core.devices import describe_device
from sod.core.errors import ImageError, SodError
from sod.data.reading import to_tensor
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.prediction.cameras import is_camera
from sod.prediction.cutouts import foreground_colours
from sod.prediction.look import Look, overlay
from sod.prediction.opacity import Map, object_mask, opacity
from sod.prediction.outputs import Output
from sod.prediction.video_files import FORMATS, VideoInfo, VideoWriter, frames_of, probe
from sod.refinement.calibration import finished
from sod.refinement.kinds import Refinement

Pixels = NDArray[np.uint8]
ALL = frozenset({"map", "mask", "overlay", "cutout"})
"""The outputs that videos have."""


def predict_videos(
    method: Method,
    videos: Sequence[Sample],
    folder: Path,
    outputs: Sequence[Output],
    refinement: Refinement,
    look: Look,
    smooth: float,
    device: torch.device,
    say: Callable[[str], None],
    most: int | None = None,
) -> list[str]:
    """Predict on the frames of videos and write videos of the results.

    Args:
        method: The method.
        videos: The videos.
        folder: Output folder; the files are ``FOLDER/KIND/NAME.mp4`` (of cut-outs ``.mov`` and
            ``.webm``).
        outputs: Kinds of output.
        refinement: Refinement of each map.
        look: How maps become pictures; crop and background have no effect.
        smooth: Weight of the earlier frames in each map, in [0, 1).
        device: Where the method runs.
        say: Prints a line.
        most: Number of frames after which each video ends; a camera needs one.

    Returns:
        One line per video that could not be read.

    Raises:
        SodError: An option is invalid, or a file cannot be written.
    """
    kinds = [kind for kind in outputs if kind in ALL]
    if not kinds:
        raise SodError(f"--output {','.join(outputs)}: videos have {', '.join(sorted(ALL))}.")
    if not 0 <= smooth < 1:
        raise SodError(f"--smooth {smooth}: is not in [0, 1).")
    check_frames(videos, most)
    model = method.to(device).eval()
    failures: list[str] = []
    for video in videos:
        try:
            info, frames = _opened(video, most)
            maps = _maps(model, frames, device, refinement, smooth)
            files = _write(folder, video.name, kinds, info, _shown(maps, info, video.name), look)
        except ImageError as error:
            failures.append(str(error))
            continue
        say(f"{video.image} on {describe_device(device)}: {', '.join(map(str, files))}")
    return failures


def _opened(video: Sample, most: int | None) -> tuple[VideoInfo, Iterator[Pixels]]:
    """Return what is known of a video, and its frames, at most so many."""
    info = probe(video.image)
    if most is not None:
        info = info._replace(frames=min(info.frames or most, most))
    return info, islice(frames_of(video.image), most)


def check_frames(videos: Sequence[Sample], most: int | None) -> None:
    """Refuse a camera without an end, and a number of frames below 1.

    Raises:
        SodError: ``most`` is missing or invalid.
    """
    if most is not None and most < 1:
        raise SodError(f"--frames {most}: is not at least 1.")
    cameras = [video.image for video in videos if is_camera(video.image)]
    if cameras and most is None:
        raise SodError(f"--source {cameras[0]}: a camera has no end: give --frames N.")


def unfinished_videos(
    folder: Path, videos: Sequence[Sample], outputs: Sequence[Output]
) -> list[Sample]:
    """Return the videos that lack a file of an output, and the cameras.

    Args:
        folder: The output folder.
        videos: All videos.
        outputs: The kinds of output that are asked for.
    """
    return [
        video
        for video in videos
        if is_camera(video.image)
        or not all(path.is_file() for _, _, path in _targets(folder, video.name, outputs))
    ]


def _targets(folder: Path, name: str, outputs: Sequence[Output]) -> list[tuple[Output, str, Path]]:
    """Return kind, format and file of each video that is made of one."""
    return [
        (kind, suffix, folder / kind / f"{name}{suffix}")
        for kind in outputs
        for suffix in FORMATS.get(kind, ())
    ]


def _maps(
    method: Method,
    frames: Iterator[Pixels],
    device: torch.device,
    refinement: Refinement,
    smooth: float,
) -> Iterator[tuple[Pixels, Map]]:
    """Yield each frame and its map, averaged with those of the earlier frames."""
    before: Tensor | None = None
    for pixels in frames:
        images = to_tensor(pixels)[None].to(device)
        with torch.inference_mode():
            saliency = finished(images, method.saliency(images), refinement, method.calibrations)
        saliency = saliency.float().clamp(0, 1)
        if before is not None and smooth:
            saliency = smooth * before + (1 - smooth) * saliency
        before = saliency
        yield pixels, np.asarray(saliency[0, 0].cpu().numpy(), np.float32)


def _write(
    folder: Path,
    name: str,
    kinds: Sequence[Output],
    info: VideoInfo,
    frames: Iterator[tuple[Pixels, Map]],
    look: Look,
) -> list[Path]:
    """Write one file per kind and format, all at the same time, and return their paths."""
    targets = _targets(folder, name, kinds)
    with ExitStack() as stack:
        writers = [
            (kind, stack.enter_context(VideoWriter(file, suffix, info)))
            for kind, suffix, file in targets
        ]
        for pixels, saliency in frames:
            pictures = {kind: picture(pixels, saliency, kind, look) for kind in kinds}
            for kind, writer in writers:
                writer.write(pictures[kind])
    return [file for _, _, file in targets]


def picture(pixels: Pixels, saliency: Map, kind: Output, look: Look) -> Pixels:
    """Return a frame of an output: RGB ``[H, W, 3]``, or RGBA ``[H, W, 4]`` of a cut-out.

    Args:
        pixels: RGB, ``[H, W, 3]``.
        saliency: ``[H, W]`` in [0, 1].
        kind: The output.
        look: Threshold, objects, sharpness and despill.
    """
    if kind == "overlay":
        return overlay(pixels, opacity(saliency, look.opacity))
    if kind == "cutout":
        alpha = opacity(saliency, look.opacity)
        colours = foreground_colours(pixels, alpha) if look.cutout.despill else pixels
        return np.dstack([colours, np.rint(alpha * 255).astype(np.uint8)])
    grey = object_mask(saliency, look.opacity) if kind == "mask" else saliency
    return np.repeat(np.rint(grey * np.float32(255)).astype(np.uint8)[..., None], 3, axis=2)


def _shown(
    frames: Iterator[tuple[Pixels, Map]], info: VideoInfo, name: str
) -> Iterator[tuple[Pixels, Map]]:
    """Show the progress on a terminal: frames done, all frames, time, and time that is left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
        yield from progress.track(frames, total=info.frames or None, description=name)
