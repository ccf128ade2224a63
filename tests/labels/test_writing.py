"""Labelling images with one or several methods."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from sod.core.errors import SodError
from sod.data import dataset
from sod.data.maps import read_map
from sod.data.samples import Sample
from sod.data.synthetic import write_scenes
from sod.labels.writing import Written, write_labels
from sod.methods.centre_box import CentreBox


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    write_scenes(tmp_path / "scenes", count=5, size=32, seed=1)
    images = sorted((tmp_path / "scenes" / "images").iterdir())
    return [Sample(path.stem, path) for path in images]


def trainer(callbacks: list[pl.Callback], **kwargs: Any) -> pl.Trainer:  # noqa: ANN401
    return pl.Trainer(accelerator="cpu", callbacks=callbacks, enable_progress_bar=False, **kwargs)


def label(samples: list[Sample], folder: Path, **boxes: float) -> Written:
    methods = {name: CentreBox(share) for name, share in boxes.items()}
    folders = {name: folder / name for name in boxes}
    return write_labels(methods, samples, folders, trainer, workers=0)


def test_only_what_is_missing_is_written(samples: list[Sample], tmp_path: Path) -> None:
    assert label(samples[:2], tmp_path, a=0.5).count == 2
    written = label(samples, tmp_path, a=0.5)
    assert written.count == 3
    assert sorted(written.stores["a"].labels) == [sample.name for sample in samples]
    expected = CentreBox(0.5).saliency(torch.zeros(1, 3, 32, 32))[0, 0]
    for sample in samples:
        assert torch.equal(read_map(written.stores["a"].path(sample.name)), expected)


def test_several_methods_read_each_image_once(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(samples[:2], tmp_path, a=0.5)
    read: list[str] = []

    def counting(path: Path, _: object) -> np.ndarray[Any, Any]:
        read.append(path.stem)
        return np.array(Image.open(path).convert("RGB"))

    monkeypatch.setattr(dataset, "read_image", counting)
    written = label(samples, tmp_path, a=0.5, b=1.0)
    assert sorted(read) == [sample.name for sample in samples]
    assert written.count == 3 + 5
    assert read_map(written.stores["b"].path(samples[0].name)).min() == 1
    assert label(samples, tmp_path, a=0.5, b=1.0).count == 0
    assert len(read) == 5


def test_unreadable_images_are_raised_or_collected(samples: list[Sample], tmp_path: Path) -> None:
    samples[1].image.write_bytes(b"no image")
    with pytest.raises(SodError, match=samples[1].image.name):
        label(samples, tmp_path, a=0.5)
    methods = {"a": CentreBox(0.5)}
    written = write_labels(
        methods, samples, {"a": tmp_path / "c"}, trainer, workers=0, collect_failures=True
    )
    assert written.count == 4
    assert [samples[1].image.name in line for line in written.failures] == [True]
