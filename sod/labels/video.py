"""Videos as teachers: frames in, pseudo-masks of VideoPCA out."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.data.reading import read_image_tensor
from sod.data.samples import Sample, discover_images
from sod.labels.store import LabelStore
from sod.labels.video_pca import video_pca
from sod.refinement.kinds import Refinement, refine

HEIGHT = 96
"""Height in pixels of the frames that are analysed; the width keeps their aspect ratio."""


def find_frames(source: str, frames: str | None, every: int) -> list[Path]:
    """Return the frame files of a folder, or of a video file after extracting them.

    Args:
        source: A folder of frames, or a video file.
        frames: Folder for the frames of a video file.
        every: Take every n-th frame only, from the first one on.

    Raises:
        SodError: There is nothing at the source, or no folder is named for a video's frames.
    """
    path = Path(source)
    if path.is_dir():
        return discover_images(path)[::every]
    if not path.is_file():
        raise SodError(f"--source {source}: there is no such file or folder.")
    if frames is None:
        raise SodError("--frames: name the folder that the frames of the video are written to.")
    return extract_frames(path, Path(frames), every)


def extract_frames(video: Path, folder: Path, every: int = 1) -> list[Path]:
    """Write the frames of a video file as ``STEM-NNNNNN.png``, unless they are there already.

    Args:
        video: A file that OpenCV reads.
        folder: Where to.
        every: Only every n-th frame, from the first one on.

    Raises:
        SodError: The file cannot be read, or the folder cannot be written.
    """
    paths = []
    for number, frame in enumerate(_decoded(video)):
        path = folder / f"{video.stem}-{number:06}.png"
        if number % every:
            continue
        paths.append(path)
        if not path.is_file():
            with atomic_file(path) as temporary:
                Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).save(temporary, "png")
    return paths


def read_frames(files: Sequence[Path], height: int = HEIGHT) -> Tensor:
    """Read frames at one size, ``[T, 3, height, W]`` in [0, 1].

    Raises:
        ImageError: A file cannot be read.
        SodError: Frames differ in size: they are not of one video.
    """
    frames, size = [], None
    for file in files:
        image = read_image_tensor(file)[None]
        size = size or image.shape
        if image.shape != size:
            raise SodError(f"{file}: differs in size from {files[0]}: give one video's frames")
        width = max(1, round(height * image.shape[-1] / image.shape[-2]))
        frames.append(F.interpolate(image, (height, width), mode="bilinear", antialias=True))
    return torch.cat(frames)


def label_video(
    files: Sequence[Path], folder: Path, components: int, refinement: Refinement
) -> LabelStore:
    """Write the maps of VideoPCA for the frames of one video.

    Args:
        files: The frames.
        folder: Folder of the pseudo-label store; existing maps are not made again.
        components: See :func:`sod.labels.video_pca.video_pca`.
        refinement: Refinement of the maps.

    Raises:
        SodError: There are fewer than three frames, or the store cannot be written.
    """
    if len(files) < 3:
        raise SodError(f"{len(files)} frames are no video: give at least three")
    source = {"method": "VideoPCA", "components": components, "refine": refinement, "version": 2}
    store = LabelStore(folder, source)
    samples = [Sample(file.stem, file) for file in files]
    missing = set(store.missing(samples))
    if missing:
        maps = video_pca(read_frames(files), components)
        for sample, saliency in zip(samples, maps, strict=True):
            if sample in missing:
                store.write(sample, _full_size(sample, saliency, refinement))
    store.join()
    return store


def _full_size(sample: Sample, saliency: Tensor, refinement: Refinement) -> Tensor:
    """Return a map ``[h, w]`` in the size of its frame, refined."""
    image = read_image_tensor(sample.image)[None]
    size = (image.shape[-2], image.shape[-1])
    full = F.interpolate(saliency[None, None], size, mode="bilinear", align_corners=False)
    return refine(image, full, refinement)[0, 0]


def _decoded(video: Path) -> Iterator[cv2.typing.MatLike]:
    capture = cv2.VideoCapture(str(video))
    found = False
    while True:
        good, frame = capture.read()
        if not good:
            break
        found = True
        yield frame
    capture.release()
    if not found:
        raise SodError(f"--source {video}: is no video that can be read.")
