"""Video as a teacher: what the background of a video cannot explain is the object.

VideoPCA (Stretcu & Leordeanu, BMVC 2015), the first teacher of Croitoru et al. (IJCV 2019): frames
are rebuilt from the principal components of all of them, which know the background; the error,
smoothed, is large on what moves. Where colours occur, on what moves or beside it, says the rest by
Bayes' rule: error and colour are taken for independent.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.data.reading import read_image
from sod.data.samples import Sample, discover_images
from sod.labels.store import LabelStore
from sod.refine.refinement import Refinement, refine

HEIGHT = 96
"""Rows of the frames that are analysed; columns keep their aspect."""
BINS = 12
"""Levels of each colour channel in the histograms."""
ROUNDS = 4
"""Times that colours are counted, each time by what was believed after the last."""


def video_pca(frames: Tensor, components: int = 8, smoothing: float = 0.02) -> Tensor:
    """Return how far each pixel belongs to what the video's background cannot explain.

    Args:
        frames: RGB in [0, 1], ``[T, 3, H, W]``.
        components: Principal components that explain the background, at most a quarter of the
            frames' number: of a short video, more would explain the object too.
        smoothing: Deviation of the Gaussian that smooths maps, as a share of the width.

    Returns:
        ``[T, H, W]`` in [0, 1], a probability if half of the colours are an object's.
    """
    sigma = smoothing * frames.shape[-1]
    error = _blurred(_unexplained(frames, components), sigma)
    # Larger than twice the video's mean: more likely the object's than not.
    place = error / (error + 2 * error.mean()).clamp(min=1e-8)
    levels = (frames * (BINS - 1)).round().long()
    colours = ((levels[:, 0] * BINS + levels[:, 1]) * BINS + levels[:, 2]).flatten()
    together = place
    for _ in range(ROUNDS):
        colour = _blurred(_by_colour(colours, together), sigma)
        yes, no = colour * place, (1 - colour) * (1 - place)
        together = yes / (yes + no).clamp(min=1e-8)
    return together.float()


def read_frames(files: Sequence[Path], height: int = HEIGHT) -> Tensor:
    """Read frames at one size, ``[T, 3, height, W]`` in [0, 1].

    Raises:
        ImageError: A file cannot be read.
        SodError: Frames differ in size: they are not of one video.
    """
    frames, size = [], None
    for file in files:
        image = torch.from_numpy(read_image(file)).permute(2, 0, 1)[None].float() / 255
        size = size or image.shape
        if image.shape != size:
            raise SodError(f"{file}: differs in size from {files[0]}: give one video's frames")
        width = max(1, round(height * image.shape[-1] / image.shape[-2]))
        frames.append(F.interpolate(image, (height, width), mode="bilinear", antialias=True))
    return torch.cat(frames)


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
        if path.is_file():
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.tmp")
            Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).save(draft, "png")
            draft.replace(path)
        except OSError as error:
            raise SodError(f"--frames {folder}: cannot be written: {error.strerror}.") from error
    return paths


def label_video(
    files: Sequence[Path], folder: Path, components: int, refinement: Refinement
) -> LabelStore:
    """Store what VideoPCA says of the frames of one video.

    Args:
        files: The frames.
        folder: Of the pseudo-label store; what it has is not made again.
        components: See :func:`video_pca`.
        refinement: What is done to the maps.

    Raises:
        SodError: There are fewer than three frames, or the store cannot be written.
    """
    if len(files) < 3:
        raise SodError(f"{len(files)} frames are no video: give at least three")
    described = {"method": "VideoPCA", "components": components, "refine": refinement, "version": 2}
    store = LabelStore(folder, described)
    samples = [Sample(file.stem, file) for file in files]
    missing = set(store.missing(samples))
    if missing:
        maps = video_pca(read_frames(files), components)
        for sample, saliency in zip(samples, maps, strict=True):
            if sample in missing:
                store.write(sample, _full(sample, saliency, refinement))
    store.join()
    return store


def find_frames(source: str, frames: str | None, every: int) -> list[Path]:
    """Return the frame files of a folder, or of a video file once they are extracted.

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


def _full(sample: Sample, saliency: Tensor, refinement: Refinement) -> Tensor:
    image = torch.from_numpy(read_image(sample.image)).permute(2, 0, 1)[None].float() / 255
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


def _blurred(maps: Tensor, sigma: float) -> Tensor:
    reach = max(1, round(3 * sigma))
    places = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    kernel = (-0.5 * (places / max(sigma, 1e-3)).square()).exp()
    kernel = kernel / kernel.sum()
    padded = F.pad(maps[:, None], (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, kernel.view(1, 1, 1, -1))
    return F.conv2d(across, kernel.view(1, 1, -1, 1))[:, 0]


def _unexplained(frames: Tensor, components: int) -> Tensor:
    """Return each pixel's distance from what the background says of it, ``[T, H, W]``."""
    flat = frames.double().flatten(1)
    centred = flat - flat.mean(0)
    # The components of few long vectors follow from their small matrix of inner products.
    _, vectors = torch.linalg.eigh(centred @ centred.T)
    basis = vectors[:, -min(components, max((len(flat) - 1) // 4, 1)) :]
    rest = centred - basis @ (basis.T @ centred)
    # What one frame alone shows would explain itself through the mean: count both.
    unusual = flat - flat.median(0).values
    error: Tensor = rest.view(frames.shape).norm(dim=1) + unusual.view(frames.shape).norm(dim=1)
    return error


def _by_colour(colours: Tensor, saliency: Tensor) -> Tensor:
    """Return the probability that a pixel of its colour is the object's.

    Args:
        colours: The number of each pixel's colour, ``[T·H·W]``.
        saliency: What is believed of each pixel, ``[T, H, W]`` in [0, 1].
    """
    believed = saliency.flatten()
    nothing = saliency.new_zeros(BINS**3)
    inside = nothing.index_add(0, colours, believed)
    outside = nothing.index_add(0, colours, 1 - believed)
    inside, outside = (each / each.sum().clamp(min=1e-8) for each in (inside, outside))
    shares = (inside + 1e-6) / (inside + outside + 2e-6)
    return shares[colours].view(saliency.shape)
