"""Videos: maps, masks, overlays and cut-outs of every frame, as videos again."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
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
from sod.prediction.cutouts import foreground_colours
from sod.prediction.opacity import Map, object_mask, opacity
from sod.prediction.outputs import Output
from sod.prediction.video_files import FORMATS, VideoInfo, VideoWriter, frames_of, probe
from sod.prediction.writers import Look, overlay
from sod.refinement.kinds import Refinement, refine

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
    model = method.to(device).eval()
    failures: list[str] = []
    for video in videos:
        try:
            info = probe(video.image)
            maps = _maps(model, video.image, device, refinement, smooth)
            files = _write(folder, video.name, kinds, info, _shown(maps, info, video.name), look)
        except ImageError as error:
            failures.append(str(error))
            continue
        say(f"{video.image} on {describe_device(device)}: {', '.join(map(str, files))}")
    return failures


def _maps(
    method: Method, path: Path, device: torch.device, refinement: Refinement, smooth: float
) -> Iterator[tuple[Pixels, Map]]:
    """Yield each frame and its map, averaged with those of the earlier frames."""
    before: Tensor | None = None
    for pixels in frames_of(path):
        images = to_tensor(pixels)[None].to(device)
        with torch.inference_mode():
            saliency = refine(images, method.saliency(images), refinement).float().clamp(0, 1)
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
    targets = [(kind, suffix) for kind in kinds for suffix in FORMATS[kind]]
    files = [folder / kind / f"{name}{suffix}" for kind, suffix in targets]
    with ExitStack() as stack:
        writers = [
            (kind, stack.enter_context(VideoWriter(file, suffix, info)))
            for (kind, suffix), file in zip(targets, files, strict=True)
        ]
        for pixels, saliency in frames:
            pictures = {kind: picture(pixels, saliency, kind, look) for kind in kinds}
            for kind, writer in writers:
                writer.write(pictures[kind])
    return files


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
