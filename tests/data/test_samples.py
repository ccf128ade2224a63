from pathlib import Path

import pytest

from sod.core.errors import SodError
from sod.data.pairing import pair
from sod.data.samples import Sample, discover_images, natural_key


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_natural_order() -> None:
    names = ["img10", "img2", "img1", "a", "10", "9", "img02"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "img1", "img02", "img2", "img10"]


def test_only_images_are_found_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "b10.JPG", "b9.jpeg", "a.PnG", "c.webp", "notes.txt", "list.csv", "noext")
    touch(tmp_path, "._a.png", ".DS_Store", "Thumbs.db", ".hidden.jpg", "__MACOSX/._a.png")
    touch(tmp_path, ".git/x.png", "__MACOSX/x.png", "sub/deep/d.tif")
    flat = [p.name for p in discover_images(tmp_path)]
    assert flat == ["a.PnG", "b9.jpeg", "b10.JPG", "c.webp"]
    deep = [p.relative_to(tmp_path).as_posix() for p in discover_images(tmp_path, recursive=True)]
    assert deep == ["a.PnG", "b9.jpeg", "b10.JPG", "c.webp", "sub/deep/d.tif"]


def test_a_link_to_itself_ends(tmp_path: Path) -> None:
    touch(tmp_path, "sub/a.png")
    (tmp_path / "sub" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert [p.name for p in discover_images(tmp_path, recursive=True)] == ["a.png"]


def test_pairing_is_by_name_and_never_by_position(tmp_path: Path) -> None:
    images = touch(tmp_path / "i", "a.jpg", "b.JPG", "d.v2.jpeg", "c.bmp")
    masks = touch(tmp_path / "m", "b.png", "c.png", "d.v2.png", "z.png", "._a.png")
    pairs = pair(images, masks)
    assert [(s.name, s.mask and s.mask.name) for s in pairs.samples] == [
        ("a", None),
        ("b", "b.png"),
        ("c", "c.png"),
        ("d.v2", "d.v2.png"),
    ]
    assert [p.name for p in pairs.unmatched_masks] == ["z.png"]


def test_nested_names_are_relative_paths(tmp_path: Path) -> None:
    images = touch(tmp_path / "i", "x/a.jpg", "y/a.jpg")
    masks = touch(tmp_path / "m", "y/a.png")
    assert pair(images, masks, recursive=True).samples == [
        Sample("x/a", images / "x/a.jpg", None),
        Sample("y/a", images / "y/a.jpg", masks / "y/a.png"),
    ]


@pytest.mark.parametrize("where", ["i", "m"])
def test_two_files_of_one_name_are_refused(tmp_path: Path, where: str) -> None:
    touch(tmp_path / "i", "a.jpg")
    touch(tmp_path / "m", "a.png")
    touch(tmp_path / where, "a.bmp")
    with pytest.raises(SodError, match="share the name 'a'"):
        pair(tmp_path / "i", tmp_path / "m")


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SodError, match="nowhere: no such folder"):
        discover_images(tmp_path / "nowhere")
