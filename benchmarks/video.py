"""Video as the first teacher: students trained on the frames of composed video clips.

    OMP_NUM_THREADS=1 python benchmarks/video.py --shared ../shared --out out/video

Clips are composed, because no real video with masks is available: the object of one photograph of
ECSSD 0001-0400, cut out by its mask, moves in front of another photograph, which shakes as if
filmed with a hand-held camera. `sod video` labels each clip, one generation of students is trained
on these labels alone and measured on the photographs 0401-0500, which are in no clip.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from common import iou, sod, split
from generations import CONFIGS

from sod.data.reading import read_image, read_mask

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT, FRAMES = 320, 240, 16


class Clip(NamedTuple):
    """Frames ``[T, H, W, 3]`` and the object's masks ``[T, H, W]``, 255 on the object."""

    frames: Pixels
    masks: Pixels


def compose(image: Pixels, mask: Pixels, background: Pixels, seed: int) -> Clip:
    """Compose a clip of the object of one photograph moving in front of another photograph.

    Args:
        image: Photograph of the object, RGB ``[H, W, 3]``, any size.
        mask: Mask of the object, ``[H, W]``.
        background: Other photograph, RGB, any size.
        seed: Seed of the path, the camera shake and the noise.
    """
    random = np.random.default_rng(seed)
    size, margin = (WIDTH, HEIGHT), 8
    image, mask = cv2.resize(image, size), cv2.resize(mask, size)
    wide = cv2.resize(background, (WIDTH + 2 * margin, HEIGHT + 2 * margin))
    heading, phase = random.uniform(0, 2 * np.pi, 2)
    frames, masks = [], []
    for number in range(FRAMES):
        angle = 2 * np.pi * number / FRAMES + phase
        offset = 0.25 * np.sin(angle) * np.array([np.cos(heading), np.sin(heading)])
        scale = 1 + 0.1 * np.cos(angle)
        shift = offset * size + (1 - scale) * np.array(size) / 2
        transform = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        alpha = cv2.warpAffine(mask, transform, size)
        top, left = random.integers(margin - 2, margin + 3, 2)
        behind = wide[top : top + HEIGHT, left : left + WIDTH].astype(np.float64)
        opacity = cv2.GaussianBlur(alpha, (3, 3), 0)[..., None] / 255
        mixed = opacity * cv2.warpAffine(image, transform, size) + (1 - opacity) * behind
        noisy = mixed + random.normal(0, 3, mixed.shape)
        frames.append(noisy.clip(0, 255).round().astype(np.uint8))
        masks.append(np.where(alpha > 127, 255, 0).astype(np.uint8))
    return Clip(np.stack(frames), np.stack(masks))


def write_clip(clip: Clip, path: Path, masks: Path) -> None:
    """Write a clip as a video file, and its masks under the names that its frames will get."""
    masks.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12, (WIDTH, HEIGHT))
    for number, (frame, mask) in enumerate(zip(clip.frames, clip.masks, strict=True)):
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        cv2.imwrite(str(masks / f"{path.stem}-{number:06}.png"), mask)
    writer.release()


def write_clips(train: Path, out: Path, count: int) -> list[Path]:
    """Compose clips, unless they exist, and return the paths of the video files.

    Args:
        train: Folder of the training images and masks.
        out: Folder for the sub-folders ``clips`` and ``truth`` (the masks).
        count: Number of clips.
    """
    videos = []
    for number in range(count):
        path = out / "clips" / f"clip{number:03}.avi"
        videos.append(path)
        if path.is_file():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        own, other = (f"{1 + (number * 9 + shift) % 400:04}" for shift in (0, 200))
        image = read_image(train / "images" / f"{own}.jpg")
        mask = read_mask(train / "masks" / f"{own}.png")
        background = read_image(train / "images" / f"{other}.jpg")
        write_clip(compose(image, mask, background, number), path, out / "truth")
    return videos


def quality(labels: Path, truth: Path, names: list[str]) -> float:
    """Return the mean IoU of pseudo-masks and masks, both thresholded at one half."""
    scores = [iou(labels / f"{name}.png", truth / f"{name}.png") for name in names]
    return sum(scores) / max(len(scores), 1)


def main() -> None:
    """Compose and label the clips, train, measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("out/video"))
    parser.add_argument("--clips", type=int, default=44)
    arguments = parser.parse_args()
    out: Path = arguments.out
    train, test = split(arguments.shared, out)
    store, frames, run = out / "store", out / "frames", out / "run"
    for path in write_clips(train, out, arguments.clips):
        sod("video", f"--source={path}", f"--frames={frames}", f"--pseudo={store}")
    teacher = [f"--data.train={frames}", f"--model.teachers={json.dumps([str(store)])}"]
    if not (run / "last.ckpt").is_file():
        sod("fit", *CONFIGS, *teacher, "--model.generations=1", f"--out={run}")
    options = ["--refine=none,bilateral", f"--out={out / 'measured'}"]
    sod("generations", f"--run={run}", f"--data.test={test}", *options)
    rows = (run / "gen1" / "selection.jsonl").read_text(encoding="utf-8").splitlines()
    selected = {row["name"]: row["selected"] for row in map(json.loads, rows)}
    parts = {
        part: [name for name, is_selected in selected.items() if is_selected == wanted]
        for part, wanted in (("selected", True), ("rejected", False))
    }
    figures = {part: quality(store, out / "truth", names) for part, names in parts.items()}
    text = json.dumps({"frames": len(selected), "IoU of the labels": figures}, indent=2)
    (out / "labels.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
