from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from sod.core.errors import ImageError, SodError
from sod.data.dataset import Item, SaliencyDataset, collate
from sod.data.masking import Masker, MaskingConfig, PatchRegions
from sod.data.reading import read_image, to_tensor
from sod.data.samples import Sample
from sod.data.transforms import Augmentation, EvalTransform, TrainTransform
from sod.data.views import KeptViews, Views

PLAIN = Augmentation(crop=1.0, flip=0.0, jitter=0.0)


def sample(
    folder: Path, name: str, size: tuple[int, int] = (4, 6), mask: tuple[int, int] | None = (4, 6)
) -> Sample:
    image = np.random.default_rng(len(name)).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(image).save(folder / f"{name}.png")
    if mask:
        Image.fromarray(np.full(mask, 200, np.uint8)).save(folder / f"{name}_mask.png")
    return Sample(name, folder / f"{name}.png", folder / f"{name}_mask.png" if mask else None)


def test_an_evaluation_item_has_the_file_s_own_values(tmp_path: Path) -> None:
    one = sample(tmp_path, "a")
    item = SaliencyDataset([one], EvalTransform(), with_masks=True)[0]
    stored = np.asarray(Image.open(one.image))
    assert item.image.dtype == torch.float32
    assert item.image.is_contiguous()
    assert torch.equal(item.image, torch.tensor(stored).permute(2, 0, 1) / 255)
    assert item.mask is not None
    assert torch.equal(item.mask, torch.full((4, 6), 200, dtype=torch.uint8))
    assert item.sample == one


def test_without_masks_none_is_ever_opened(tmp_path: Path) -> None:
    one = sample(tmp_path, "a")
    assert one.mask is not None
    one.mask.write_bytes(b"poison")
    item = SaliencyDataset([one], EvalTransform(), with_masks=False)[0]
    assert (item.mask, item.error) == (None, None)
    poisoned = SaliencyDataset([one], EvalTransform(), with_masks=True)[0]
    assert "a_mask.png: not an image" in str(poisoned.error)


def test_a_missing_mask_is_named_at_once(tmp_path: Path) -> None:
    samples = [sample(tmp_path, "a"), sample(tmp_path, "b", mask=None)]
    with pytest.raises(SodError, match=r"b\.png: has no mask"):
        SaliencyDataset(samples, EvalTransform(), with_masks=True)


def test_a_mask_of_another_size_is_named_or_fitted(tmp_path: Path) -> None:
    one = sample(tmp_path, "a", (4, 6), (8, 12))
    item = SaliencyDataset([one], EvalTransform(), with_masks=True)[0]
    assert "a_mask.png: is 12x8, but its image" in str(item.error)
    known = one._replace(fit_mask=True)
    fitted = SaliencyDataset([known], EvalTransform(), with_masks=True)[0]
    assert fitted.mask is not None
    assert torch.equal(fitted.mask, torch.full((4, 6), 200, dtype=torch.uint8))


def test_the_index_carries_the_epoch(tmp_path: Path) -> None:
    samples = [sample(tmp_path, "a", (40, 40), None), sample(tmp_path, "bb", (40, 40), None)]
    transform = TrainTransform(32, Augmentation(crop=0.3))
    dataset = SaliencyDataset(samples, transform, with_masks=False, seed=4)
    later = dataset[3 * 2 + 1]
    expected, _ = transform(read_image(samples[1].image), None, (4, 3, 1))
    assert later.sample.name == "bb"
    assert torch.equal(later.image, to_tensor(expected))
    assert not torch.equal(later.image, dataset[1].image)


def test_collate_stacks_images_and_lists_masks(tmp_path: Path) -> None:
    samples = [sample(tmp_path, "a", mask=None), sample(tmp_path, "bb", mask=None)]
    items = [SaliencyDataset(samples, EvalTransform(), with_masks=False)[i] for i in range(2)]
    batch = collate(items)
    assert batch["images"].shape == (2, 3, 4, 6)
    assert torch.equal(batch["images"][1], items[1].image)
    assert batch["masks"] == [None, None]
    assert batch["samples"] == samples
    assert batch["errors"] == []


def test_different_sizes_cannot_share_a_batch(tmp_path: Path) -> None:
    samples = [sample(tmp_path, "a", mask=None), sample(tmp_path, "bb", (9, 9), None)]
    dataset = SaliencyDataset(samples, EvalTransform(), with_masks=False)
    with pytest.raises(SodError, match="differ in size and cannot share a batch"):
        collate([dataset[0], dataset[1]])


def test_unreadable_files_raise_or_are_collected(tmp_path: Path) -> None:
    good = sample(tmp_path, "a", mask=None)
    bad = Sample("b", tmp_path / "b.png")
    dataset = SaliencyDataset([good, bad], EvalTransform(), with_masks=False)
    items: list[Item] = [dataset[0], dataset[1]]
    with pytest.raises(ImageError, match=r"b\.png: no such file"):
        collate(items)
    batch = collate(items, on_error="collect")
    assert [s.name for s in batch["samples"]] == ["a"]
    assert len(batch["images"]) == 1
    assert batch["errors"] == [f"{bad.image}: no such file"]
    nothing = collate(items[1:], on_error="collect")
    assert nothing["images"].shape == (0, 3, 0, 0)
    assert (nothing["masks"], nothing["samples"]) == ([], [])


def test_a_plain_loader_with_workers_accepts_both(tmp_path: Path) -> None:
    dataset = SaliencyDataset([sample(tmp_path, "a")], TrainTransform(8, PLAIN), with_masks=True)
    (batch,) = list(DataLoader(dataset, 1, collate_fn=collate, num_workers=1))
    assert batch["images"].shape == (1, 3, 8, 8)
    assert batch["masks"][0].tolist() == [[200] * 8] * 8


def test_regions_are_drawn_at_the_size_of_the_whole_patches_by_name_and_epoch(
    tmp_path: Path,
) -> None:
    samples = [sample(tmp_path, name, (20, 30)) for name in ("a", "b")]
    masker = Masker(MaskingConfig("blocks", "medium"))
    regions = PatchRegions(masker, 8)
    dataset = SaliencyDataset(samples, EvalTransform(), with_masks=False, regions=regions)
    second_epoch = collate([dataset[2], dataset[3]])
    assert torch.equal(second_epoch["regions"], masker.draw(["a", "b"], 1, (16, 24)))
    plain = collate([SaliencyDataset(samples, EvalTransform(), with_masks=False)[2]])
    assert "regions" not in plain


def test_an_unreadable_region_is_reported_as_an_unreadable_image_is(tmp_path: Path) -> None:
    one = sample(tmp_path, "a")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "broken.png").write_bytes(b"no image")
    masker = Masker(MaskingConfig("folder", folder=str(tmp_path / "masks")))
    dataset = SaliencyDataset([one], EvalTransform(), False, regions=PatchRegions(masker, 1))
    with pytest.raises(ImageError, match=r"broken\.png"):
        collate([dataset[0]])


def test_a_few_views_are_used_in_turn_and_follow_the_name(tmp_path: Path) -> None:
    samples = [sample(tmp_path, name, (40, 40), None) for name in ("a", "bb", "ccc")]
    transform = TrainTransform(16, Augmentation())
    dataset = SaliencyDataset(samples, transform, False, seed=7, views=Views(2, 5))
    views = [[dataset[3 * epoch + index].image for epoch in range(4)] for index in range(3)]
    for first, second, third, fourth in views:
        assert torch.equal(first, third)
        assert torch.equal(second, fourth)
        assert not torch.equal(first, second)
    other = SaliencyDataset(samples[1:], transform, False, seed=9, views=Views(2, 5))
    assert torch.equal(other[0].image, views[1][0]), "neither place nor shuffling changes a view"
    drawn = SaliencyDataset(samples, transform, False, 7, lambda *seen: torch.tensor(seen[1]))
    assert [int(drawn[3 * epoch].region or 0) for epoch in range(4)] == [0, 1, 2, 3]
    drawn.views = Views(2, 5)
    assert [int(drawn[3 * epoch].region or 0) for epoch in range(4)] == [0, 1, 0, 1]


def test_kept_views_are_read_once_and_again_with_another_mask(tmp_path: Path) -> None:
    one, other = (sample(tmp_path, name, (40, 40), (40, 40)) for name in ("a", "bb"))
    Image.fromarray(np.eye(40, dtype=np.uint8) * 200).save(str(one.mask))
    transform = TrainTransform(16, Augmentation())
    views = Views(2, 5)
    plain = SaliencyDataset([one], transform, True, views=views)
    kept = KeptViews(limit=3.5 * 16 * 16 * 4 / 2**30)  # three views of image and mask
    dataset = SaliencyDataset([one], transform, True, views=views, kept=kept)
    expected = [plain[epoch] for epoch in (0, 1, 2)]
    found = [dataset[epoch] for epoch in (0, 1)]
    swapped = one._replace(mask=other.mask)
    again = SaliencyDataset([swapped], transform, True, views=views, kept=kept)[0].mask
    assert again is not None
    assert again.eq(200).all()
    assert not expected[0].mask.eq(200).all()  # type: ignore[union-attr]
    assert dataset[0].mask.equal(expected[0].mask)  # type: ignore[arg-type, union-attr]
    more = SaliencyDataset([other], transform, True, views=views, kept=kept)
    first = [more[epoch].image for epoch in (0, 1)]
    one.image.unlink()
    other.image.unlink()
    for epoch in (2, 1, 0):
        item = dataset[epoch]
        assert item.error is None
        assert torch.equal(item.image, expected[epoch].image)
        assert torch.equal(item.image, found[epoch % 2].image)
        assert item.mask.equal(expected[epoch].mask)  # type: ignore[arg-type, union-attr]
        item.mask.zero_()  # type: ignore[union-attr]
    assert torch.equal(more[0].image, first[0])
    assert more[1].error is not None, "beyond the limit"
    assert SaliencyDataset([one], transform, False, views=views, kept=kept)[0].error is not None
    assert SaliencyDataset([one], transform, True, kept=kept)[0].error is not None, "no fixed views"
