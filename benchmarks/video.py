"""Video as the first teacher: clips of photographed objects before photographed backgrounds.

    OMP_NUM_THREADS=1 python benchmarks/video.py --shared ../shared --out out/video

No real video with masks is at hand, so clips are composed: the object of one photograph of ECSSD
0001-0400, cut out by its mask, moves before another one's picture, which trembles as if a hand held
the camera. Each becomes a video file, `sod video` labels it, a generation of students learns from
the labels alone, and is measured on the photographs 0401-0500, which no clip shows.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from connnet import sod, split
from generations import CONFIGS

from sod.data.reading import read_image, read_mask
from sod.evaluation.saved_maps import read_map

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT, FRAMES = 320, 240, 16


class Clip(NamedTuple):
    """Frames ``[T, H, W, 3]`` and the object's masks ``[T, H, W]``, 255 where it is."""

    frames: Pixels
    masks: Pixels


def compose(image: Pixels, mask: Pixels, background: Pixels, seed: int) -> Clip:
    """Move the object of a photograph before another photograph.

    Args:
        image: RGB ``[H, W, 3]``, any size.
        mask: Of its object, ``[H, W]``.
        background: RGB, any size.
        seed: Decides the path, the camera's trembling and the noise.
    """
    random = np.random.default_rng(seed)
    size, margin = (WIDTH, HEIGHT), 8
    image, mask = cv2.resize(image, size), cv2.resize(mask, size)
    wide = cv2.resize(background, (WIDTH + 2 * margin, HEIGHT + 2 * margin))
    heading, phase = random.uniform(0, 2 * np.pi, 2)
    frames, masks = [], []
    for number in range(FRAMES):
        angle = 2 * np.pi * number / FRAMES + phase
        way = 0.25 * np.sin(angle) * np.array([np.cos(heading), np.sin(heading)])
        scale = 1 + 0.1 * np.cos(angle)
        shift = way * size + (1 - scale) * np.array(size) / 2
        place = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        alpha = cv2.warpAffine(mask, place, size)
        top, left = random.integers(margin - 2, margin + 3, 2)
        behind = wide[top : top + HEIGHT, left : left + WIDTH].astype(np.float64)
        share = cv2.GaussianBlur(alpha, (3, 3), 0)[..., None] / 255
        mixed = share * cv2.warpAffine(image, place, size) + (1 - share) * behind
        noisy = mixed + random.normal(0, 3, mixed.shape)
        frames.append(noisy.clip(0, 255).round().astype(np.uint8))
        masks.append(np.where(alpha > 127, 255, 0).astype(np.uint8))
    return Clip(np.stack(frames), np.stack(masks))


def film(clip: Clip, path: Path, masks: Path) -> None:
    """Write a clip as a video file, and its masks as the frames will be called."""
    masks.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12, (WIDTH, HEIGHT))
    for number, (frame, mask) in enumerate(zip(clip.frames, clip.masks, strict=True)):
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        cv2.imwrite(str(masks / f"{path.stem}-{number:06}.png"), mask)
    writer.release()


def record(train: Path, out: Path, count: int) -> list[Path]:
    """Compose so many clips of photographs that lie apart, unless they are there."""
    videos = []
    for number in range(count):
        path = out / "clips" / f"clip{number:03}.avi"
        videos.append(path)
        if path.is_file():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        own, other = (f"{1 + (number * 9 + apart) % 400:04}" for apart in (0, 200))
        image = read_image(train / "images" / f"{own}.jpg")
        mask = read_mask(train / "masks" / f"{own}.png")
        background = read_image(train / "images" / f"{other}.jpg")
        film(compose(image, mask, background, number), path, out / "truth")
    return videos


def quality(labels: Path, truth: Path, names: list[str]) -> float:
    """Return the mean IoU of pseudo-masks and masks, both cut at one half."""
    found = []
    for name in names:
        left = read_map(labels / f"{name}.png") > 0.5
        right = torch.from_numpy(read_mask(truth / f"{name}.png")) > 127
        found.append(float((left & right).sum() / (left | right).sum()))
    return sum(found) / max(len(found), 1)


def main() -> None:
    """Compose, label, learn, measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("out/video"))
    parser.add_argument("--clips", type=int, default=44)
    arguments = parser.parse_args()
    out: Path = arguments.out
    train, test = split(arguments.shared, out)
    store, frames, run = out / "store", out / "frames", out / "run"
    for path in record(train, out, arguments.clips):
        sod("video", f"--source={path}", f"--frames={frames}", f"--pseudo={store}")
    teacher = [f"--data.train={frames}", f"--model.teachers={json.dumps([str(store)])}"]
    if not (run / "last.ckpt").is_file():
        sod("fit", *CONFIGS, *teacher, "--model.generations=1", f"--out={run}")
    options = ["--refine=none,bilateral", f"--out={out / 'measured'}"]
    sod("generations", f"--run={run}", f"--data.test={test}", *options)
    rows = (run / "gen1" / "selection.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = {row["name"]: row["selected"] for row in map(json.loads, rows)}
    parts = {
        part: [name for name, chosen in verdicts.items() if chosen == wanted]
        for part, wanted in (("selected", True), ("rejected", False))
    }
    figures = {part: quality(store, out / "truth", names) for part, names in parts.items()}
    text = json.dumps({"frames": len(verdicts), "IoU of the labels": figures}, indent=2)
    (out / "labels.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
