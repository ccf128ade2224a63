"""Datasets that a text file lists."""

from pathlib import Path

import pytest
from PIL import Image

from sod.core.errors import SodError
from sod.data.benchmarks import find_dataset
from sod.data.datamodule import SaliencyData
from sod.data.samples import Sample
from sod.data.splits import find_splits


def image(path: Path, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 6), 200 if mode == "L" else (9, 8, 7)).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photos in two folders, one mask, and the list of them, relative to where one is."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.png", "b/2.png", "a/3.png"):
        image(tmp_path / "photos" / name)
    image(tmp_path / "objects.png", "L")
    lines = ["photos/b/2.png", "", f"{tmp_path}/photos/a/1.png\tobjects.png", "photos/a/3.png "]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_images_keep_their_order_and_have_the_names_below_their_folder(photos: Path) -> None:
    dataset = find_dataset("datasets", "@list.txt")
    assert dataset.name == "list"
    assert list(dataset.samples) == [
        Sample("b/2", photos / "photos/b/2.png"),
        Sample("a/1", photos / "photos/a/1.png", Path("objects.png")),
        Sample("a/3", photos / "photos/a/3.png"),
    ]


def test_a_run_keeps_to_the_images_of_a_list_that_has_grown(photos: Path) -> None:
    before = list(find_splits(".", "train", "@list.txt")[0].files)
    assert before == ["b/2.png", "a/1.png", "a/3.png"]
    image(photos / "photos" / "b" / "0.png")
    (photos / "list.txt").write_text("photos/b/0.png\n" + (photos / "list.txt").read_text())
    split = find_splits(".", "train", "@list.txt")[0]
    assert [each.name for each in split.samples({"@list.txt": before})] == ["b/2", "a/1", "a/3"]


def test_loaders_read_lists(photos: Path) -> None:
    (photos / "masked.txt").write_text("photos/a/1.png\tobjects.png\n")
    options = {"size": 16, "batch_size": 3, "num_workers": 0}
    data = SaliencyData(train="@list.txt", val="@list.txt", test="@masked.txt", **options)
    (batch,) = data.train_dataloader()
    assert sorted(each.name for each in batch["samples"]) == ["a/1", "a/3", "b/2"]
    assert [b["samples"][0].name for b in data.val_dataloader()[0]] == ["b/2", "a/1", "a/3"]
    assert data.test_names == ["masked"]
    (tested,) = data.test_dataloader()[0]
    assert (tested["masks"][0] == 200).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "@list.txt: lists no images"),
        ("photos/a/9.png\n", "@list.txt: .*/photos/a/9.png: there is no such file"),
        ("photos/a/1.png\tnone.png\n", "@list.txt: none.png: there is no such file"),
        ("photos/a/1.png\n./photos/a/1.png\n", "photos/a/1.png is in it twice"),
        ("\na\tb\tc\n", "@list.txt, line 2: more than an image and a mask"),
        ("\udcff", "@list.txt: cannot be read as a list of images"),
    ],
)
def test_a_list_that_is_wrong_is_named(text: str, expected: str, photos: Path) -> None:
    (photos / "list.txt").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SodError, match=expected):
        find_dataset("datasets", "@list.txt")


def test_a_list_that_is_not_there_is_named(photos: Path) -> None:
    with pytest.raises(SodError, match=r"@lost.txt: cannot be read.*list.txt"):
        find_dataset("datasets", "@lost.txt")
