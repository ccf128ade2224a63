from pathlib import Path

import pytest
from helpers.image_files import write_images

from sod.core.errors import SodError
from sod.data import layouts
from sod.data.benchmarks import available, find_dataset
from sod.data.catalogue import BENCHMARKS, benchmark_called


def lay_out(root: Path, images: str, masks: str | None) -> None:
    write_images(root / images, "a", "b", suffix=".jpg")
    write_images(root / images / "__MACOSX", "._a")
    if masks:
        write_images(root / masks, "a", "b")


LAYOUTS = [
    ("DUTS-TE", "DUTS-TE/DUTS-TE-Image", "DUTS-TE/DUTS-TE-Mask"),
    ("DUTS-TR", "DUTS-TR/DUTS-TR-Image", "DUTS-TR/DUTS-TR-Mask"),
    ("DUTS-TR", "DUTS/DUTS-TR-Image", "DUTS/DUTS-TR-Mask"),
    ("DUTS-TE", "DUTS/DUTS-TE-Image", "DUTS/DUTS-TE-Mask"),
    ("DUTS-TR", "DUTS/DUTS-TR/DUTS-TR-Image", "DUTS/DUTS-TR/DUTS-TR-Mask"),
    ("DUTS-TR", "DUTS-TR/DUTS-TR/DUTS-TR-Image", "DUTS-TR/DUTS-TR/DUTS-TR-Mask"),
    ("DUTS-TE", "DUTS-TE-Image", "DUTS-TE-Mask"),
    ("DUTS-TE", "DUTS-TE/img", "DUTS-TE/gt"),
    ("DUTS-TE", "DUTS_Test/img", "DUTS_Test/gt"),
    ("DUTS-TR", "DUTS-TR/RGB", "DUTS-TR/GT"),
    ("DUTS-TE", "duts-te/images", "duts-te/segmentations"),
    ("DUT-OMRON", "DUT-OMRON/DUT-OMRON-image", "DUT-OMRON/pixelwiseGT-new-PNG"),
    ("DUT-OMRON", "DUT-OMRON/DUT-OMRON-image/DUT-OMRON-image", "DUT-OMRON/pixelwiseGT-new-PNG"),
    ("DUT-OMRON", "DUTS-OMRON/DUT-OMRON-image", "DUTS-OMRON/pixelwiseGT-new-PNG"),
    ("DUT-OMRON", "DUT-OMRON-image", "pixelwiseGT-new-PNG"),
    (
        "DUT-OMRON",
        "DUT-OMRON-image/DUT-OMRON-image",
        "DUT-OMRON-gt-pixelwise.zip/pixelwiseGT-new-PNG",
    ),
    ("DUT-OMRON", "DUT-O/RGB", "DUT-O/GT"),
    ("ECSSD", "ECSSD/images", "ECSSD/ground_truth_mask"),
    ("ECSSD", "images", "ground_truth_mask"),
    ("ECSSD", "ecssd/img", "ecssd/gt"),
    ("HKU-IS", "HKU-IS/imgs", "HKU-IS/gt"),
    ("HKU-IS", "HKU_IS/imgs", "HKU_IS/gt"),
    ("PASCAL-S", "PASCAL-S/images", "PASCAL-S/masks"),
    ("PASCAL-S", "PASCAL-S/datasets/imgs/pascal", "PASCAL-S/datasets/masks/pascal"),
    ("PASCAL-S", "PASCAL-S/Imgs", "PASCAL-S/GT"),
]


@pytest.mark.parametrize(("name", "images", "masks"), LAYOUTS)
def test_every_published_layout_is_found(
    tmp_path: Path, name: str, images: str, masks: str
) -> None:
    lay_out(tmp_path, images, masks)
    for spelling in (name, name.lower(), name.replace("-", "_")):
        found = find_dataset(tmp_path, spelling)
        assert found.name == name
        assert [(s.name, s.image, s.mask) for s in found.samples] == [
            (n, tmp_path / images / f"{n}.jpg", tmp_path / masks / f"{n}.png") for n in "ab"
        ]
    assert available(tmp_path) == [name]


@pytest.mark.parametrize(("name", "images", "masks"), LAYOUTS)
def test_images_alone_are_found_for_label_free_use(
    tmp_path: Path, name: str, images: str, masks: str
) -> None:
    lay_out(tmp_path, images, None)
    if (images, masks) == ("images", "ground_truth_mask"):
        with pytest.raises(SodError):  # a bare `images` folder could be anything
            find_dataset(tmp_path, name)
    else:
        assert [s.mask for s in find_dataset(tmp_path, name).samples] == [None, None]


def test_a_location_with_masks_is_preferred(tmp_path: Path) -> None:
    lay_out(tmp_path, "DUTS-TE/DUTS-TE-Image", None)
    lay_out(tmp_path, "DUTS/DUTS-TE-Image", "DUTS/DUTS-TE-Mask")
    assert find_dataset(tmp_path, "DUTS-TE").samples[0].mask is not None


def test_both_halves_of_duts_side_by_side(tmp_path: Path) -> None:
    lay_out(tmp_path, "DUTS/DUTS-TE-Image", "DUTS/DUTS-TE-Mask")
    lay_out(tmp_path, "DUTS/DUTS-TR-Image", "DUTS/DUTS-TR-Mask")
    assert "DUTS-TR" in str(find_dataset(tmp_path, "duts-tr").samples[0].mask)
    assert available(tmp_path) == ["DUTS-TR", "DUTS-TE"]


def test_the_root_may_be_the_benchmark_itself(tmp_path: Path) -> None:
    lay_out(tmp_path / "HKU-IS", "imgs", "gt")
    assert len(find_dataset(tmp_path / "HKU-IS", "HKU-IS").samples) == 2
    assert find_dataset("elsewhere", str(tmp_path / "HKU-IS")).name == "HKU-IS"


def test_counts_are_the_published_ones() -> None:
    assert {b.name: b.count for b in BENCHMARKS} == {
        "DUTS-TR": 10553,
        "DUTS-TE": 5019,
        "ECSSD": 1000,
        "DUT-OMRON": 5168,
        "HKU-IS": 4447,
        "PASCAL-S": 850,
        "CoCA": 1295,
        "CoSal2015": 2015,
        "CoSOD3k": 3316,
    }
    assert {b.name: b.groups for b in BENCHMARKS if b.groups} == {
        "CoCA": 80,
        "CoSal2015": 50,
        "CoSOD3k": 160,
    }
    keys = [key for b in BENCHMARKS for key in b.keys]
    assert len(keys) == len(set(keys))
    assert benchmark_called("dut_o") is benchmark_called("DUT-OMRON")


def test_wrong_masks_of_duts_te_are_kept_or_dropped(tmp_path: Path) -> None:
    wrong = ["ILSVRC2012_test_00036002", "sun_bcogaqperiljqupq"]
    surplus = [f"m{name}" for name in wrong]
    write_images(tmp_path / "DUTS-TE/DUTS-TE-Image", "a", *wrong, surplus[0], suffix=".jpg")
    write_images(tmp_path / "DUTS-TE/DUTS-TE-Mask", "a", *wrong, *surplus)
    found = find_dataset(tmp_path, "DUTS-TE")
    assert [s.name for s in found.samples] == sorted([*wrong, "a"])
    assert found.unmatched_masks == []
    assert [s.name for s in find_dataset(tmp_path, "DUTS-TE", drop_defects=True).samples] == ["a"]


def test_mismatched_pairs_of_duts_tr_are_fitted(tmp_path: Path) -> None:
    write_images(tmp_path / "DUTS-TR/DUTS-TR-Image", "a", "n04442312_17818", suffix=".jpg")
    write_images(tmp_path / "DUTS-TR/DUTS-TR-Mask", "a", "n04442312_17818")
    fits = {s.name: s.fit_mask for s in find_dataset(tmp_path, "DUTS-TR").samples}
    assert fits == {"a": False, "n04442312_17818": True}


@pytest.mark.parametrize(
    ("images", "masks"),
    [("images", "masks"), ("images", "mask"), ("Images", "GT"), ("img", "gt"), (".", "masks")],
)
def test_own_folders(tmp_path: Path, images: str, masks: str) -> None:
    own = tmp_path / "own"
    lay_out(own, images, masks)
    for root, name in ((tmp_path, "own"), ("nowhere", str(own))):
        found = find_dataset(root, name)
        assert found.name == "own"
        assert [s.mask for s in found.samples] == [own / masks / "a.png", own / masks / "b.png"]


def test_own_folder_without_masks_is_searched_below(tmp_path: Path) -> None:
    write_images(tmp_path / "own/x", "b")
    write_images(tmp_path / "own/y/z", "a")
    assert [s.name for s in find_dataset(tmp_path, "own").samples] == ["x/b", "y/z/a"]
    write_images(tmp_path / "tree/images/p", "1")
    write_images(tmp_path / "tree/masks/p", "1")
    assert find_dataset(tmp_path, "tree").samples[0].mask == tmp_path / "tree/masks/p/1.png"


def test_errors_of_absent_and_misspelt_datasets_list_what_exists(tmp_path: Path) -> None:
    lay_out(tmp_path, "ECSSD/images", "ECSSD/ground_truth_mask")
    with pytest.raises(SodError, match=r"ECSDD.*Did you mean 'ECSSD'\?"):
        find_dataset(tmp_path, "ECSDD")
    with pytest.raises(SodError, match=r"Did you mean 'ECSSD'\?"):
        find_dataset(tmp_path, "ecsdd")
    with pytest.raises(SodError, match=r"DUTS-TE is not in the data root.*DUTS-TE-Image.*ECSSD"):
        find_dataset(tmp_path, "DUTS-TE")
    with pytest.raises(SodError, match=r"is not a folder; set data\.root"):
        find_dataset(tmp_path / "none", "DUTS-TE")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SodError, match="empty: no images; put them into"):
        find_dataset(tmp_path, "empty")


def test_ecssd_as_published(shared: Path) -> None:
    found = find_dataset(shared / "data", "ECSSD")
    assert [s.name for s in found.samples] == [f"{i:04d}" for i in range(1, 501)]
    assert all(s.mask and s.mask.stem == s.image.stem for s in found.samples)


def test_a_flat_folder_is_listed_a_few_times_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "flat", "a", "b")
    listed: list[Path] = []
    plain = layouts._folders
    monkeypatch.setattr(layouts, "_folders", lambda path: listed.append(path) or plain(path))
    assert layouts.locate_own(tmp_path / "flat") == (tmp_path / "flat", None, True)
    assert len(listed) == 2
