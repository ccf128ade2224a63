"""The labels of a generation, pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sod.data.maps import read_map
from sod.data.samples import Sample
from sod.labels.store import LabelStore
from sod.methods.generations.combination import Combination, write_combined_labels
from sod.methods.generations.images import ImageCache


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    found = []
    for name in ("old", "new"):
        file = tmp_path / f"{name}.png"
        Image.fromarray(np.full((8, 12, 3), 127, np.uint8)).save(file)
        found.append(Sample(name, file, None))
    return found


def store(folder: Path, samples: list[Sample], level: float) -> LabelStore:
    made = LabelStore(folder, {"level": level})
    for sample in samples:
        made.write(sample, torch.full((8, 12), level))
    made.join()
    made.reload()
    return made


def test_the_first_teachers_label_has_its_weight_where_there_is_one(
    samples: list[Sample], tmp_path: Path
) -> None:
    students = {
        "a": store(tmp_path / "a", samples, 0.8),
        "b": store(tmp_path / "b", samples, 0.4),
    }
    first = store(tmp_path / "first", samples[:1], 0.2)
    how = Combination("mean", 4.0, "none", 0.5, teacher_weight=0.25)
    labels = write_combined_labels(
        samples, students, torch.ones(2, 2), tmp_path / "labels", how, ImageCache(8), first
    )
    levels = {s.name: read_map(labels.path(s.name)) for s in samples}
    # (0.8 + 0.4) / 2 = 0.6, and 0.25 x 0.2 + 0.75 x 0.6 = 0.5; stored in steps of 1/255.
    assert torch.allclose(levels["old"], torch.full((8, 12), 0.5), atol=3 / 255)
    assert torch.allclose(levels["new"], torch.full((8, 12), 0.6), atol=3 / 255)


def test_the_refined_map_has_its_weight(samples: list[Sample], tmp_path: Path) -> None:
    students = {"a": store(tmp_path / "a", samples, 0.7)}
    how = Combination("mean", 4.0, "bilateral", 0.5, teacher_weight=0.0)
    labels = write_combined_labels(
        samples, students, torch.ones(2, 1), tmp_path / "labels", how, ImageCache(8)
    )
    # An even image whose map is above one half is refined to 1: (1 + 0.7) / 2.
    level = read_map(labels.path("old"))
    assert torch.allclose(level, torch.full((8, 12), 0.85), atol=3 / 255)
