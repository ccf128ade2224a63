from pathlib import Path

import pytest
import torch
from helpers.image_files import write_images

from sod.core.errors import SodError
from sod.data.benchmarks import available, find_dataset
from sod.data.check import check_dataset
from sod.data.dataset import SaliencyDataset
from sod.data.groups import (
    GroupEpochSampler,
    GroupSampler,
    indices_by_group,
    whole_groups,
    with_few_masks,
)
from sod.data.loader import Loader
from sod.data.samples import Sample
from sod.data.transforms import Augmentation, EvalTransform, TrainTransform

SAMPLES = [
    Sample(f"{group}/{stem}", Path(f"{group}/{stem}.png"))
    for group, count in (("cats", 5), ("cups", 3), ("keys", 1))
    for stem in range(count)
]


@pytest.mark.parametrize(
    ("name", "images", "masks"),
    [
        ("CoCA", "CoCA/image", "CoCA/binary"),
        ("CoCA", "coca/img", "coca/gt"),
        ("CoSal2015", "Cosal2015/Image", "Cosal2015/GroundTruth"),
        ("CoSOD3k", "CoSOD3k/image", "CoSOD3k/groundtruth"),
        ("CoSOD3k", "images/CoSOD3k", "gts/CoSOD3k"),
        ("CoCA", "image/CoCA", "gt/CoCA"),
        ("Mugs", "Mugs/image", "Mugs/groundtruth"),
        ("Mugs", "images/Mugs", "gts/Mugs"),
    ],
)
def test_every_layout_of_groups_is_found(
    tmp_path: Path, name: str, images: str, masks: str
) -> None:
    for group in ("cats", "cups"):
        write_images(tmp_path / images / group, "1", "2", suffix=".jpg")
        write_images(tmp_path / masks / group, "1", "2")
    found = find_dataset(tmp_path, name)
    assert found.name == name
    assert [(s.group, s.name, s.mask) for s in found.samples] == [
        (group, f"{group}/{stem}", tmp_path / masks / group / f"{stem}.png")
        for group in ("cats", "cups")
        for stem in "12"
    ]
    assert available(tmp_path) == ([] if name == "Mugs" else [name])


def test_a_folder_of_folders_holds_groups_without_masks(tmp_path: Path) -> None:
    write_images(tmp_path / "own/a", "1", "2")
    write_images(tmp_path / "own/b", "1")
    found = find_dataset(tmp_path, "own").samples
    assert [(s.group, s.mask) for s in found] == [("a", None), ("a", None), ("b", None)]


def test_check_compares_the_number_of_groups(tmp_path: Path) -> None:
    for group, stems in (("cats", "123"), ("cups", "1")):
        write_images(tmp_path / "CoCA/image" / group, *stems, distinct=True)
        write_images(tmp_path / "CoCA/gt" / group, *stems)
    report = check_dataset(tmp_path, "CoCA")
    issues = {issue.what: issue.names for issue in report.issues}
    assert report.groups == 2
    assert "2 groups where 80 are published" in issues
    assert "4 images where 1295 are published" in issues
    assert issues["folders with one image, no group for co-saliency"] == ("cups",)


def test_each_group_is_in_one_process() -> None:
    assert indices_by_group(SAMPLES) == {"cats": [0, 1, 2, 3, 4], "cups": [5, 6, 7], "keys": [8]}
    assert indices_by_group([Sample("a", Path("a")), Sample("b", Path("b"))]) == {"": [0, 1]}
    assert [list(GroupSampler(SAMPLES, 2, rank)) for rank in (0, 1)] == [
        [[0, 1, 2, 3, 4], [8]],
        [[5, 6, 7]],
    ]


def test_a_group_too_large_for_memory_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sod.data.groups.LARGEST", 2)
    assert list(GroupSampler(SAMPLES)) == [[0, 3], [1, 4], [2], [5, 7], [6], [8]]
    assert [s.name for s in whole_groups(SAMPLES, SAMPLES[6:7])] == ["cups/0", "cups/1", "cups/2"]


def test_the_masks_of_the_first_images_of_each_group_are_kept() -> None:
    masked = [s._replace(mask=s.image) if "0" not in s.name else s for s in SAMPLES]
    kept = with_few_masks(masked, 2)
    names = [s.name for s in kept if s.mask is not None]
    assert names == ["cats/1", "cats/2", "cups/1", "cups/2"]
    assert [s.name for s in kept] == [s.name for s in SAMPLES]
    assert with_few_masks(masked, None) == masked
    with pytest.raises(SodError, match="no image of the groups has a mask"):
        with_few_masks(SAMPLES, None)


def test_an_epoch_shows_each_image_once_in_parts_of_a_group() -> None:
    sampler = GroupEpochSampler(SAMPLES, 2, replicas=1, rank=0, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert orders[0] == orders[2] != [[i - 9 for i in part] for part in orders[1]]
    assert sorted(i for part in orders[1] for i in part) == list(range(9, 18))
    groups = [{SAMPLES[i].group for i in part} for part in orders[0]]
    assert all(len(group) == 1 for group in groups)
    assert sorted(map(len, orders[0])) == [1, 1, 1, 2, 2, 2]
    assert len(sampler) == 6
    shares = [GroupEpochSampler(SAMPLES, 3, 2, rank, seed=3) for rank in (0, 1)]
    assert [len(share) for share in shares] == [len(list(share)) for share in shares] == [2, 2]
    assert sorted(i for share in shares for part in share for i in part) == list(range(9))


def _files(folder: Path) -> list[Sample]:
    for group, size in (("a", (8, 6)), ("b", (5, 9))):
        write_images(folder / group, "1", "2", size=size)
    write_images(folder / "a", "3", size=(4, 4))
    return find_dataset(folder.parent, folder.name).samples


def test_loaded_groups_keep_the_size_of_each_image(tmp_path: Path) -> None:
    dataset = SaliencyDataset(_files(tmp_path / "own"), EvalTransform(), with_masks=False)
    batches = list(Loader(dataset, groups=True))
    assert [[tuple(i.shape) for i in batch["images"]] for batch in batches] == [
        [(3, 8, 6), (3, 8, 6), (3, 4, 4)],
        [(3, 5, 9), (3, 5, 9)],
    ]
    (tmp_path / "own/a/2.png").write_bytes(b"words")
    first = next(iter(Loader(dataset, groups=True, on_error="collect")))
    assert [s.name for s in first["samples"]] == ["a/1", "a/3"]
    assert "2.png" in first["errors"][0]
    with pytest.raises(SodError, match=r"2\.png"):
        next(iter(Loader(dataset, groups=True)))


def test_training_on_groups_resumes_with_the_next_part(tmp_path: Path) -> None:
    transform = TrainTransform(16, Augmentation(flip=0.5))
    dataset = SaliencyDataset(_files(tmp_path / "own"), transform, with_masks=False, seed=1)

    def loader(workers: int = 0) -> Loader:
        made = Loader(dataset, 2, training=True, groups=True, workers=workers)
        made.sampler.set_epoch(4)  # type: ignore[union-attr]
        return made

    whole = list(loader())
    assert len(loader()) == len(whole) == 3
    resumed = loader(workers=1)
    resumed.load_state_dict({"epoch": 4, "batches": 1})
    rest = list(resumed)
    assert len(rest) == 2
    for left, right in zip(whole[1:], rest, strict=True):
        assert left["samples"] == right["samples"]
        assert torch.equal(torch.as_tensor(left["images"]), torch.as_tensor(right["images"]))
