import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.data.samples import Sample
from sod.data.synthetic import write_scenes
from sod.labels.store import Label, LabelStore, rate, select, source_id
from sod.labels.teachers import build_teacher, complete_store, fill_store, label_images, source_of
from sod.methods.centre_box import CentreBox

SOURCE = {"method": "TokenCut", "refine": "none"}


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    write_scenes(tmp_path / "scenes", count=5, size=32, seed=1)
    images = sorted((tmp_path / "scenes" / "images").iterdir())
    return [Sample(path.stem, path) for path in images]


def box(size: tuple[int, int], value: float = 1.0, border: float = 0.0) -> Tensor:
    saliency = torch.full(size, border)
    saliency[2:-2, 2:-2] = value
    return saliency


def test_a_score_is_the_inside_minus_the_border() -> None:
    score, area = rate(box((10, 10), 0.8, 0.02))
    assert score == pytest.approx(0.8 - 0.02, abs=1e-6)  # 0.02 is faint: not part of the object
    assert area == pytest.approx(36 / 100)
    score, area = rate(box((10, 10), 0.8, 0.2))
    assert score == pytest.approx((36 * 0.8 + 64 * 0.2) / 100 - 0.2, abs=1e-6)
    assert rate(torch.zeros(4, 5)) == (0.0, 0.0)
    assert rate(torch.ones(1, 1)) == (0.0, 1.0)


def test_selection_ranks_by_score_and_puts_odd_areas_last() -> None:
    def label(name: str, score: float, area: float) -> Label:
        return Label(name, "s", score, area, "", "")

    labels = [
        label("tiny", 0.99, 0.01),
        label("good", 0.9, 0.2),
        label("huge", 0.95, 0.7),
        label("poor", 0.1, 0.3),
    ]
    names = [chosen.name for chosen in select(labels, 1.0)]
    assert names == ["good", "poor", "tiny", "huge"]
    assert [chosen.name for chosen in select(labels, 0.5)] == ["good", "poor"]
    assert [chosen.name for chosen in select(labels, 0.01)] == ["good"]


def test_maps_are_stored_in_eight_bits_with_what_is_known_of_them(
    samples: list[Sample], tmp_path: Path
) -> None:
    store = LabelStore(tmp_path / "store", SOURCE)
    saliency = torch.linspace(0, 1, 32 * 32).view(32, 32)
    label = store.write(samples[0], saliency)
    file = store.path(samples[0].name)
    stored = np.asarray(Image.open(file))
    np.testing.assert_array_equal(stored, np.rint(saliency.numpy() * 255).astype(np.uint8))
    assert label.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert label.image_sha256 == hashlib.sha256(samples[0].image.read_bytes()).hexdigest()
    assert label.source == source_id(SOURCE)
    described = json.loads((tmp_path / "store" / f"source-{label.source}.json").read_text())
    assert described == SOURCE
    assert LabelStore(tmp_path / "store").labels == {samples[0].name: label}


def test_what_is_there_and_whole_is_not_made_again(samples: list[Sample], tmp_path: Path) -> None:
    store = LabelStore(tmp_path / "store", SOURCE)
    for sample in samples[:4]:
        store.write(sample, box((32, 32)))
    store.path(samples[1].name).write_bytes(b"damaged")
    store.path(samples[2].name).unlink()
    shutil.copy(samples[4].image, samples[3].image)  # another image under the same name
    missing = LabelStore(tmp_path / "store", SOURCE).missing(samples)
    assert missing == samples[1:]


def test_a_line_cut_short_by_a_kill_is_made_again(samples: list[Sample], tmp_path: Path) -> None:
    store = LabelStore(tmp_path / "store", SOURCE)
    for sample in samples[:2]:
        store.write(sample, box((32, 32)))
    manifest = tmp_path / "store" / "manifest.0.jsonl"
    manifest.write_text(manifest.read_text()[:-30])
    again = LabelStore(tmp_path / "store", SOURCE)
    assert again.missing(samples[:2]) == samples[1:2]
    again.write(samples[1], box((32, 32)))
    again.join()
    assert not manifest.exists()
    whole = LabelStore(tmp_path / "store")
    assert whole.missing(samples[:2]) == []
    damaged = tmp_path / "store" / "manifest.jsonl"
    damaged.write_text("nonsense\n" + damaged.read_text())
    with pytest.raises(SodError, match="line 1 is damaged"):
        LabelStore(tmp_path / "store")


def test_processes_label_each_image_once(samples: list[Sample], tmp_path: Path) -> None:
    shares = []
    for rank in range(2):
        store = LabelStore(tmp_path / "store", SOURCE, rank)
        shares.append(store.missing(samples, processes=2))
        for sample in shares[rank]:
            store.write(sample, box((32, 32)))
    assert sorted(s.name for share in shares for s in share) == [s.name for s in samples]
    store.join()
    assert len(LabelStore(tmp_path / "store").labels) == 5


def test_labels_of_another_source_are_not_mixed_in(samples: list[Sample], tmp_path: Path) -> None:
    LabelStore(tmp_path / "store", SOURCE).write(samples[0], box((32, 32)))
    with pytest.raises(SodError, match="another source"):
        LabelStore(tmp_path / "store", {**SOURCE, "refine": "bilateral"})
    with pytest.raises(SodError, match="without a source"):
        LabelStore(tmp_path / "store").write(samples[1], box((32, 32)))


def test_names_that_collide_are_refused(samples: list[Sample], tmp_path: Path) -> None:
    twin = samples[1]._replace(name=samples[0].name)
    with pytest.raises(SodError, match="share the name"):
        LabelStore(tmp_path / "store", SOURCE).missing([samples[0], twin])


def test_a_teacher_labels_what_is_missing(samples: list[Sample], tmp_path: Path) -> None:
    teacher = CentreBox(share=0.5)
    store = LabelStore(tmp_path / "store", source_of(teacher, "none"))
    assert label_images(teacher, samples[:2], store, "none", workers=0) == 2
    with pytest.raises(SodError, match="2 more"):
        complete_store(tmp_path / "store", samples)
    filled = fill_store(teacher, samples, tmp_path / "store", "none", (0, 1), lambda: None)
    assert len(filled.labels) == 5
    stored = torch.from_numpy(np.array(Image.open(filled.path(samples[4].name))))
    images = torch.zeros(1, 3, 32, 32)
    torch.testing.assert_close(stored.float() / 255, teacher.saliency(images)[0, 0])


def test_teachers_come_from_configs_that_override_one_another(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(
        "model: {class_path: TokenCut, init_args: {backbone: {name: descriptor}, tau: 0.1}}"
    )
    second.write_text("model: {class_path: TokenCut, init_args: {tau: 0.4}}")
    teacher = build_teacher(f"{first}+{second}")
    assert teacher.arguments()["tau"] == 0.4
    assert teacher.arguments()["backbone"]["name"] == "descriptor"
    second.write_text("model: {class_path: TokenCut, init_args: {tou: 0.4}}")
    with pytest.raises(SodError, match="tou"):
        build_teacher(str(second))
    with pytest.raises(SodError, match="no such file"):
        build_teacher(str(tmp_path / "c.yaml"))
    first.write_text("data: {root: x}")
    with pytest.raises(SodError, match="class_path"):
        build_teacher(str(first))
