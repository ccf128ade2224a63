"""The images of a run: a run that goes on trains on those that it began with."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.training_runs import arguments, unlabelled_scenes, weights

from sod.cli import main
from sod.core.errors import SodError
from sod.data.datamodule import SaliencyData
from sod.engine.run_images import IMAGES, changed, files_of, read_images, write_images

SHORT = (
    *("--data.batch_size=4", "--trainer.enable_model_summary=false"),
    "--model.optimiser.schedule=step",
)


def test_added_damaged_images_do_not_change_a_run_that_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes, whole, parts = (tmp_path / name for name in ("scenes", "whole", "parts"))
    unlabelled_scenes(scenes)
    assert main(arguments(scenes, whole, *SHORT, "--trainer.max_steps=4")) == 0
    assert main(arguments(scenes, parts, *SHORT, "--trainer.max_steps=2")) == 0
    (scenes / "images" / "0damaged.png").write_bytes(b"no image")
    assert main(arguments(scenes, parts, *SHORT, "--trainer.max_steps=4", "--strict")) == 0
    assert "1 image (0damaged.png) came after the run began" in capsys.readouterr().out
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(parts)[name])


def test_a_run_in_a_new_folder_keeps_the_images_of_its_checkpoint(tmp_path: Path) -> None:
    scenes, first, second = (tmp_path / name for name in ("scenes", "first", "second"))
    unlabelled_scenes(scenes)
    assert main(arguments(scenes, first, *SHORT, "--trainer.max_steps=1")) == 0
    shutil.copy(next((scenes / "images").iterdir()), scenes / "images" / "added.png")
    words = [*SHORT, "--trainer.max_steps=2", "--ckpt", str(first / "last.ckpt")]
    assert main(arguments(scenes, second, *words)) == 0
    assert read_images(first) == read_images(second)
    assert main(arguments(scenes, second, *SHORT, "--overwrite", "--trainer.max_steps=1")) == 0
    begun_anew = read_images(second)
    assert begun_anew is not None
    assert "added.png" in begun_anew[str(scenes)]


def test_an_image_that_is_gone_keeps_its_place(tmp_path: Path) -> None:
    scenes = unlabelled_scenes(tmp_path / "scenes")
    data = SaliencyData(train=str(scenes))
    before, samples = files_of(data), data.train_samples()
    samples[3].image.unlink()
    assert files_of(data) == before  # looked up once
    data = SaliencyData(train=str(scenes))
    now = files_of(data)
    data.keep_to(before)
    assert [sample.image for sample in data.train_samples()] == [s.image for s in samples]
    assert [sample.name for sample in data.train_samples()] == [s.name for s in samples]
    assert changed(before, now) == [
        f"{scenes}: 1 image ({samples[3].image.name}) is gone since the run began"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is damaged"),
        ('{"images": {"a": "b"}}', "is damaged"),
        ('{"images": {"a": ["../b.png"]}}', "is damaged"),
        ('{"format": 2, "sod_version": "9.0", "images": {}}', "has format 2 .* by sod 9.0"),
        ('{"format": true, "images": {}}', "has format True"),
    ],
)
def test_damaged_or_later_lists_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / IMAGES).write_text(content)
    with pytest.raises(SodError, match=message):
        read_images(tmp_path)


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    images = {"a": [b"\xff.png".decode(errors="surrogateescape")]}
    write_images(tmp_path, images)
    assert read_images(tmp_path) == images
    assert json.loads((tmp_path / IMAGES).read_text())["format"] == 1
