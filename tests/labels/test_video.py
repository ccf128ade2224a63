import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sod.cli import main
from sod.data.maps import read_map
from sod.data.samples import discover_images
from sod.labels.video_pca import video_pca

SIZE, SIDE = 64, 20


def clip(frames: int) -> tuple[Tensor, Tensor]:
    """A square that moves over a background which flickers, and its masks."""
    generator = torch.Generator().manual_seed(0)
    background = 0.3 + 0.4 * torch.rand(3, SIZE, SIZE, generator=generator)
    images, masks = [], []
    for number in range(frames):
        image = background * (0.9 + 0.1 * np.cos(number))
        mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
        left = 2 + number * (SIZE - SIDE - 4) // (frames - 1)
        mask[20 : 20 + SIDE, left : left + SIDE] = True
        images.append(torch.where(mask, torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1), image))
        masks.append(mask)
    return torch.stack(images), torch.stack(masks)


def mean_iou(maps: Tensor, masks: Tensor) -> float:
    painted = maps > 0.5
    overlap = (painted & masks).sum((1, 2)) / (painted | masks).sum((1, 2))
    return float(overlap.mean())


def test_what_moves_is_the_object() -> None:
    images, masks = clip(12)
    maps = video_pca(images, components=2)
    assert maps.shape == masks.shape
    assert 0 <= maps.min() <= maps.max() <= 1
    assert mean_iou(maps, masks) > 0.7


def test_faint_parts_of_what_moves_count_beside_strong_ones() -> None:
    images, masks = clip(12)
    upper = masks.clone()
    upper[:, 30:] = False
    near_the_background = torch.tensor([0.35, 0.62, 0.75]).view(1, 3, 1, 1)
    images = torch.where(upper[:, None], near_the_background, images)
    maps = video_pca(images, components=2)
    for part in (upper, masks & ~upper):
        assert (maps[part] > 0.5).float().mean() > 0.8


def test_nothing_moves_nothing_stands_out() -> None:
    images = clip(4)[0][:1].expand(5, -1, -1, -1)
    assert video_pca(images).max() == 0


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, image in enumerate(clip(8)[0]):
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


def test_frames_become_a_store_that_teaches(frames: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    words = ["video", "--source", str(frames), "--pseudo", str(store), "--components=2"]
    assert main(words) == 0
    before = (store / "manifest.jsonl").read_text()
    assert main(words) == 0
    assert (store / "manifest.jsonl").read_text() == before
    maps = torch.stack([read_map(store / f"{number:03}.png") for number in range(8)])
    assert mean_iou(maps, clip(8)[1]) > 0.6
    network = {"kind": "unet", "width": 4, "size": 32}
    student = {"name": "unet", "method": "Student", "arguments": {"network": network}}
    out = tmp_path / "run"
    fit = ["fit", "--model=Generations", f"--data.train={frames}", f"--out={out}"]
    fit += ["--model.teachers", json.dumps([str(store)]), "--model.generations=1"]
    fit += ["--model.students", json.dumps([student]), "--model.quality_network.steps=2"]
    fit += ["--data.size=32", "--data.batch_size=4", "--data.num_workers=0", "--data.val_images=0"]
    assert main([*fit, "--trainer.max_steps=2", "--trainer.max_epochs=-1"]) == 0
    assert len(list((out / "gen1" / "labels").glob("*.png"))) == 8


def test_the_frames_of_a_video_file_are_extracted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (SIZE, SIZE))
    for image in clip(9)[0]:
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        writer.write(np.ascontiguousarray(pixels[..., ::-1]))
    writer.release()
    words = ["video", "--source", str(path), "--pseudo", str(tmp_path / "store"), "--every=2"]
    assert main(words) == 2
    assert "--frames" in capsys.readouterr().err
    assert main([*words, "--frames", str(tmp_path / "frames"), "--components=2"]) == 0
    files = discover_images(tmp_path / "frames")
    assert [file.name for file in files] == [f"clip-{n:06}.png" for n in (0, 2, 4, 6, 8)]
    shown = torch.from_numpy(np.array(Image.open(files[1]))).float() / 255
    assert (shown - clip(9)[0][2].permute(1, 2, 0)).abs().mean() < 0.1
    assert len(list((tmp_path / "store").glob("*.png"))) == 5


def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["video", "--pseudo", str(tmp_path / "store"), "--source"]
    assert main([*words, str(tmp_path / "none.mp4")]) == 2
    assert "no such file" in capsys.readouterr().err
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    assert main([*words, str(broken), "--frames", str(tmp_path / "f")]) == 2
    assert "no video" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main([*words, str(tmp_path / "empty")]) == 2
    assert "at least three" in capsys.readouterr().err
