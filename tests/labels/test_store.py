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
from sod.core.formats import stamp
from sod.data.samples import Sample
from sod.data.synthetic import write_scenes
from sod.labels.store import LabelStore, complete_store, source_id

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


def test_maps_are_stored_in_eight_bits_with_their_figures(
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
    assert described == stamp(1) | SOURCE
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


def test_a_store_is_hashed_once_and_trusted_by_size_and_time_since(
    samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = LabelStore(tmp_path / "store", SOURCE)
    for sample in samples:
        writing.write(sample, box((32, 32)))
    writing.join()
    (tmp_path / "store" / "verified.json").unlink()
    hashed: list[Path] = []

    def counting(path: Path) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr("sod.labels.verified.file_checksum", counting)
    assert complete_store(tmp_path / "store", samples).missing(samples) == []
    assert len(hashed) == 2 * len(samples)  # each map and each image
    assert LabelStore(tmp_path / "store").missing(samples) == []
    assert len(hashed) == 2 * len(samples)
    file = writing.path(samples[2].name)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # the same size, at another time
    assert LabelStore(tmp_path / "store").missing(samples) == samples[2:3]
    assert hashed[-1] == file


def test_a_damaged_cache_of_checksums_is_ignored(samples: list[Sample], tmp_path: Path) -> None:
    LabelStore(tmp_path / "store", SOURCE).write(samples[0], box((32, 32)))
    for content in ("nonsense", "[]", '{"a": 1}'):
        (tmp_path / "store" / "verified.json").write_text(content)
        assert LabelStore(tmp_path / "store").missing(samples[:1]) == []
