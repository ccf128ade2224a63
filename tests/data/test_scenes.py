from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sod.core.errors import ImageError, SodError
from sod.data.datamodule import SaliencyData
from sod.data.dataset import Batch
from sod.data.features import FeaturesConfig
from sod.data.loader import Loader
from sod.data.sampler import EpochSampler
from sod.data.samples import Sample
from sod.data.scenes import TrainingScenes, training_scenes
from sod.data.transforms import Augmentation

SIDE, COUNT = 40, 6
OFF: dict[str, Any] = {"crop": 1.0, "flip": 0.0, "jitter": 0.0}


def write(folder: Path, levels: list[int]) -> list[Sample]:
    """Write photos that are grey at 10 times their number, with an object 100 brighter."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    samples = []
    for number, level in enumerate(levels):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[10:20, 12:24] = level
        pixels = np.where(mask > 0, 100 + 10 * number, 10 * number).astype(np.uint8)
        files = [folder / part / f"{number}.png" for part in ("images", "masks")]
        Image.fromarray(np.repeat(pixels[..., None], 3, 2)).save(files[0])
        Image.fromarray(mask).save(files[1])
        samples.append(Sample(str(number), *files))
    return samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("own") / "own"
    write(place, [255] * COUNT)
    return place


@pytest.fixture(scope="module")
def samples(folder: Path) -> list[Sample]:
    names = range(COUNT)
    return [Sample(f"{n}", folder / f"images/{n}.png", folder / f"masks/{n}.png") for n in names]


def data(folder: Path, workers: int = 0, **options: Any) -> SaliencyData:  # noqa: ANN401
    return SaliencyData(
        root=str(folder.parent), train="own", size=SIDE, batch_size=2, num_workers=workers,
        supervised=True, seed=3, val_images=0, augmentation=Augmentation(**options),
    )  # fmt: skip


def epoch_of(loader: Loader, epoch: int) -> list[Batch]:
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(epoch)
    return list(loader)


def assert_same(some: list[Batch], others: list[Batch]) -> None:
    for one, other in zip(some, others, strict=True):
        assert torch.equal(one["images"], other["images"])
        assert one["samples"] == other["samples"]
        for left, right in zip(one["masks"], other["masks"], strict=True):
            assert left is not None
            assert right is not None
            assert torch.equal(left, right)


def test_pasted_objects_come_from_other_photos_and_the_mask_is_their_union(
    samples: list[Sample],
) -> None:
    most = 3
    options = Augmentation(paste=1.0, paste_area=(0.01, 0.05), paste_most=most)
    scenes = TrainingScenes(options, samples)
    counts = []
    for index in range(60):
        number = index % COUNT
        scene = scenes(samples[number], (0, 0, index))
        grey = scene.image[..., 0]
        objects = {int(value) for value in np.unique(grey) if value >= 100}
        assert np.array_equal(scene.mask > 127, grey >= 100)
        others = objects - {100 + 10 * number}
        assert others
        assert len(others) <= most
        counts.append(len(others))
        assert set(np.unique(grey[grey < 100])) == {10 * number}, "no background comes along"
        assert sum(int((grey == value).sum()) for value in others) <= most * 0.06 * SIDE**2
        assert scene.sample == samples[number]
    assert set(counts) == {1, 2, 3}


def test_the_shares_of_pasted_objects_are_even_factor_for_factor(samples: list[Sample]) -> None:
    scenes = TrainingScenes(Augmentation(paste=1.0, paste_area=(0.01, 0.16), paste_most=1), samples)
    shares = []
    for index in range(300):
        scene = scenes(samples[0], (1, 0, index))
        shares.append(float((scene.image[..., 0] > 100).mean()))
    assert np.mean(np.array(shares) < 0.04) == pytest.approx(0.5, abs=0.1)
    assert min(shares) < 0.015
    assert 0.12 < max(shares) < 0.2


def test_a_whole_photo_is_shrunk_with_its_mask(samples: list[Sample]) -> None:
    scenes = TrainingScenes(Augmentation(mix=1.0), samples)
    sides = []
    for index in range(60):
        scene = scenes(samples[0], (0, 0, index))
        grey = scene.image[..., 0].astype(int)
        rows, columns = np.nonzero((grey != 0) & (grey != 100))
        box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
        side = len(range(SIDE)[box[0]])
        assert side == len(range(SIDE)[box[1]])
        sides.append(side)
        label = np.zeros((SIDE, SIDE), np.uint8)
        label[10:20, 12:24] = 255
        rows_of = ((np.arange(side) + 0.5) * SIDE / side).astype(int)
        expected = label.copy()
        expected[box] = label[np.ix_(rows_of, rows_of)]
        assert np.mean(scene.mask != expected) < 0.02, "up to the edges of nearest neighbours"
    assert min(sides) <= 8
    assert 28 <= max(sides) <= 32


def test_an_empty_scene_is_background_with_an_empty_mask(samples: list[Sample]) -> None:
    scenes = TrainingScenes(Augmentation(empty=1.0), samples)
    shown = set()
    for index in range(40):
        scene = scenes(samples[0], (0, 0, index))
        grey = np.unique(scene.image)
        assert not scene.mask.any()
        assert scene.mask.shape == scene.image.shape[:2]
        assert grey.tolist() == [10 * int(scene.sample.name)], "its sample says what it shows"
        shown.add(scene.sample.name)
    assert len(shown) == COUNT


def test_at_most_one_of_the_three_happens_with_its_probability(samples: list[Sample]) -> None:
    options = Augmentation(paste=0.2, mix=0.3, empty=0.4)
    scenes = TrainingScenes(options, samples)
    plain = TrainingScenes(Augmentation(), samples)(samples[0], (0, 0, 0))
    kinds = []
    for index in range(400):
        scene = scenes(samples[0], (5, 1, index))
        grey = np.unique(scene.image).tolist()
        if not scene.mask.any() and len(grey) == 1:
            kinds.append("empty")
        elif scene.image.shape == plain.image.shape and np.array_equal(scene.image, plain.image):
            kinds.append("plain")
        else:
            other = any(0 < value < 60 for value in grey)
            kinds.append("mix" if other else "paste")
    shares = {kind: kinds.count(kind) / 400 for kind in set(kinds)}
    assert shares["empty"] == pytest.approx(0.4, abs=0.08)
    assert shares["mix"] == pytest.approx(0.3, abs=0.08)
    assert shares["paste"] == pytest.approx(0.2, abs=0.08)
    assert shares["plain"] == pytest.approx(0.1, abs=0.06)


def test_only_the_surest_labels_are_donors(samples: list[Sample]) -> None:
    sureness = dict(zip([s.image for s in samples], [0.1, 0.9, 0.3, 0.5, 0.9, 0.2], strict=True))
    options = Augmentation(paste=0.5, donors=0.5)
    scenes = training_scenes(options, samples, sureness)
    assert scenes is not None
    assert [donor.name for donor in scenes.donors] == ["1", "4", "3"]
    real = training_scenes(options, samples, {})
    assert real is not None
    assert real.donors == samples, "real masks are all sure"
    assert training_scenes(Augmentation(donors=0.1), samples, sureness) is None


def test_without_another_object_the_image_stays_as_it_is(tmp_path: Path) -> None:
    alone = write(tmp_path / "a", [255])
    nothing = write(tmp_path / "b", [255, 0, 0])
    for some in (alone, nothing):
        plain = TrainingScenes(Augmentation(), some)(some[0], (0, 0, 0))
        pasted = TrainingScenes(Augmentation(paste=1.0), some)(some[0], (0, 0, 0))
        assert np.array_equal(pasted.image, plain.image)
        assert np.array_equal(pasted.mask, plain.mask)
    mixed = TrainingScenes(Augmentation(mix=1.0), alone)(alone[0], (0, 0, 0))
    assert np.unique(mixed.image).tolist() == [0, 100]
    full = alone[0]._replace(mask=tmp_path / "full.png")
    assert full.mask is not None
    Image.fromarray(np.full((SIDE, SIDE), 255, np.uint8)).save(full.mask)
    assert TrainingScenes(Augmentation(empty=1.0), [full])(full, (0, 0, 0)).mask.all()


def test_a_donor_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    some = write(tmp_path / "a", [255, 255])
    some[1].image.write_bytes(b"poison")
    with pytest.raises(ImageError, match=r"1\.png: not an image"):
        TrainingScenes(Augmentation(paste=1.0), some)(some[0], (0, 0, 0))
    with pytest.raises(ImageError, match="has no mask"):
        TrainingScenes(Augmentation(), some)(some[0]._replace(mask=None), (0, 0, 0))


@pytest.mark.parametrize("kind", ["paste", "mix", "empty"])
def test_batches_depend_on_neither_workers_nor_interruptions(folder: Path, kind: str) -> None:
    options = {kind: 0.7, "crop": 0.5}
    loader = data(folder, **options).train_dataloader()
    whole = [epoch_of(loader, epoch) for epoch in (0, 1)]
    images = [torch.cat([batch["images"] for batch in epoch]) for epoch in whole]
    assert not torch.equal(*images)
    parallel = data(folder, workers=2, **options).train_dataloader()
    parallel.load_state_dict({"epoch": 1, "batches": 1})
    assert_same(epoch_of(parallel, 0), whole[0])
    parallel.load_state_dict({"epoch": 1, "batches": 1})
    assert_same(epoch_of(parallel, 1), whole[1][1:])


def test_nothing_changes_without_a_probability(folder: Path) -> None:
    loader = data(folder).train_dataloader()
    other = data(folder, paste_area=(0.3, 0.4), paste_most=9, donors=0.1).train_dataloader()
    assert other.dataset.scenes is None
    assert_same(epoch_of(loader, 0), epoch_of(other, 0))
    rare = data(folder, paste=1e-12).train_dataloader()
    assert rare.dataset.scenes is not None
    assert_same(epoch_of(loader, 0), epoch_of(rare, 0))


def test_the_target_of_a_batch_is_the_union(folder: Path) -> None:
    for batch in epoch_of(data(folder, paste=1.0, **OFF).train_dataloader(), 0):
        for image, mask in zip(batch["images"], batch["masks"], strict=True):
            assert mask is not None
            assert torch.equal(mask > 127, image[0] > 0.3)


def test_fixed_views_have_fixed_scenes(folder: Path) -> None:
    own = data(folder, paste=1.0)
    views = SaliencyData(
        root=own.root, train="own", size=SIDE, batch_size=COUNT, num_workers=0, supervised=True,
        augmentation=own.augmentation, features=FeaturesConfig(views=2),
    ).train_dataloader()  # fmt: skip
    shown = []
    for epoch in range(3):
        (batch,) = epoch_of(views, epoch)
        pairs = zip(batch["samples"], batch["images"], strict=True)
        shown.append({sample.name: image for sample, image in pairs})
    for name in "012345":
        assert torch.equal(shown[0][name], shown[2][name])
        assert not torch.equal(shown[0][name], shown[1][name])


def test_labels_are_required(folder: Path) -> None:
    for kind in ("paste", "mix", "empty"):
        own = data(folder, **{kind: 0.5})
        own.check_training()
        own.supervised = False
        with pytest.raises(SodError, match=rf"data\.augmentation\.{kind}: needs a \(pseudo-\)mask"):
            own.check_training()
        own.expect_labels()
        own.check_training()
        own.read_groups()
        with pytest.raises(SodError, match=rf"data\.augmentation\.{kind}"):
            own.check_training()


def test_pseudo_masks_bring_their_sureness(folder: Path, samples: list[Sample]) -> None:
    own = data(folder, paste=0.5)
    own.supervised = False
    labels = {s.image: s.mask for s in samples[:4] if s.mask is not None}
    own.train_on(labels, dict(zip(labels, [0.2, 0.1, 0.4, 0.3], strict=True)))
    scenes = own.train_dataloader().dataset.scenes
    assert isinstance(scenes, TrainingScenes)
    assert [donor.name for donor in scenes.donors] == ["2", "3"]
