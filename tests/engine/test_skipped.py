"""Photos that cannot be read do not end a training without masks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.places import CONFIGS
from PIL import Image

from sod.cli import main
from sod.core.errors import ImageError
from sod.data.datamodule import SaliencyData
from sod.data.dataset import SaliencyDataset, collate
from sod.data.samples import Sample
from sod.data.synthetic import write_scenes
from sod.data.transforms import EvalTransform
from sod.engine.checkpoint import read_checkpoint

Captured = pytest.CaptureFixture[str]
SMALL = ["--model.network.kind=lowres", "--model.network.width=4"]
FIT = [
    "fit",
    "--config",
    str(CONFIGS / "demo_peekaboo.yaml"),
    "--data.num_workers=0",
    "--data.size=48",
    "--data.batch_size=2",
    "--data.val_images=6",
    "--trainer.max_steps=6",
    "--trainer.max_epochs=2",
    "--trainer.logger=false",
]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_scenes(tmp_path / "scenes", count=4, size=48, seed=0)
    folder = tmp_path / "scenes" / "images"
    (folder / "0001.jpg").write_bytes((folder / "0001.png").read_bytes()[:300])
    Image.open(folder / "0000.png").save(folder / "0000.jpg")
    return folder


def test_an_unreadable_photo_is_skipped_named_and_counted(
    photos: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert main([*FIT, "--data.train", str(photos), "--out", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    skipped = [line for line in lines if line.startswith("skipped ")]
    assert [line.split(": ")[0] for line in skipped] == [f"skipped {photos / '0001.jpg'}"]
    assert sum("1 image could not be read" in line for line in lines) == 1
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["global_step"] == 6


def test_strict_ends_at_it(photos: Path, tmp_path: Path, capsys: Captured) -> None:
    words = [*FIT, "--data.train", str(photos), "--out", str(tmp_path / "run"), "--strict"]
    assert main(words) == 2
    assert "0001.jpg" in capsys.readouterr().err


def test_the_next_readable_sample_stands_in(tmp_path: Path) -> None:
    samples = []
    for number, level in enumerate((10, None, None, 40)):
        path = tmp_path / f"{number}.png"
        if level is None:
            path.write_bytes(b"no image")
        else:
            Image.fromarray(np.full((4, 4, 3), level, np.uint8)).save(path)
        samples.append(Sample(str(number), path))
    dataset = SaliencyDataset(samples, EvalTransform(), with_masks=False, substitute=True)
    batch = collate([dataset[index] for index in range(4)])
    levels = (batch["images"][:, 0, 0, 0] * 255).round().tolist()
    assert levels == [10, 40, 40, 40]
    assert [sample.name for sample in batch["samples"]] == ["0", "3", "3", "3"]
    assert [error.split(": ")[0] for error in batch["errors"]] == [
        str(tmp_path / "1.png"),
        str(tmp_path / "2.png"),
    ]
    broken = SaliencyDataset(samples[1:3], EvalTransform(), with_masks=False, substitute=True)
    with pytest.raises(ImageError, match=r"1\.png"):
        collate([broken[0]])


def test_epochs_do_not_depend_on_the_workers(photos: Path) -> None:
    def epoch(workers: int) -> list[torch.Tensor]:
        data = SaliencyData(train=str(photos), size=16, batch_size=2, num_workers=workers)
        return [batch["images"] for batch in data.train_dataloader()]

    assert all(torch.equal(a, b) for a, b in zip(epoch(0), epoch(2), strict=True))


def test_labels_are_made_of_the_readable_photos(
    photos: Path, tmp_path: Path, capsys: Captured
) -> None:
    words = ["fit", "--model=Student", "--data.train", str(photos), "--data.num_workers=0"]
    words += ["--model.labels.teacher", str(CONFIGS / "centre_box.yaml"), "--data.size=64"]
    words += ["--data.batch_size=2", "--trainer.max_steps=2", "--data.val_images=0"]
    words += ["--model.labels.selection.keep=1", *SMALL, "--out", str(tmp_path / "run")]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "1 image could not be read" in shown
    assert "skipped" in shown
    store = ["--model.labels.store", str(tmp_path / "run" / "pseudo")]
    place = words.index("--model.labels.teacher")
    words[place : place + 2] = store
    assert main([*words[:-1], str(tmp_path / "again")]) == 0
    assert "1 image could not be read" in capsys.readouterr().out
    assert main([*words[:-1], str(tmp_path / "third"), "--strict"]) == 2
