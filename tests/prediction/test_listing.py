"""What `--source` names."""

import io
from pathlib import Path

import pytest
from helpers.image_files import write_images

from sod.core.errors import SodError
from sod.prediction import listing
from sod.prediction.listing import list_inputs


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "a", "1", "2")
    write_images(tmp_path / "b" / "c", "2", "3")
    (tmp_path / "b" / "clip.MP4").touch()
    return tmp_path


def names(source: str | list[str]) -> list[str]:
    return [sample.name for sample in list_inputs(source).images]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a", ["1", "2"]),
        ("a/1.png", ["1"]),
        ("b", ["c/2", "c/3"]),
        (["a/1.png", "a/2.png"], ["1", "2"]),
        (["a", "b"], ["a/1", "a/2", "b/c/2", "b/c/3"]),
        (["a/2.png", "b/c/2.png"], ["a/2", "b/c/2"]),
        ("*/1.png", ["1"]),
        ("**/2.png", ["a/2", "b/c/2"]),
        (["a/1.png", "a"], ["1", "2"]),
    ],
)
def test_files_folders_and_patterns(source: str | list[str], expected: list[str]) -> None:
    assert names(source) == expected


def test_a_list_in_a_file_and_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("list.txt").write_text("a/1.png\n\nb/c/3.png\n")
    assert names("@list.txt") == ["a/1", "b/c/3"]
    monkeypatch.setattr("sys.stdin", io.StringIO("b/c\na/1.png\n"))
    assert names("-") == ["b/c/2", "b/c/3", "a/1"]


def test_videos_are_told_from_images() -> None:
    inputs = list_inputs(["b", "a/1.png"])
    assert [sample.name for sample in inputs.videos] == ["b/clip"]
    assert [sample.image.suffix for sample in inputs.images] == [".png"] * 3


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern() -> None:
    write_images(Path("d"), "x[1]")
    assert names("d/x[1].png") == ["x[1]"]
    assert names("d/*.png") == ["x[1]"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("c", "there is no such file or folder"),
        ("a/11.png", r"Did you mean 'a/1\.png'"),
        ("a/*.jpg", "matches no file"),
        ("@lst.txt", "cannot be read as a list of names. Did you mean 'list.txt'"),
        ("@list.txt", "lists no names"),
        ("empty", "there is no image in this folder"),
    ],
)
def test_mistakes(source: str, message: str) -> None:
    Path("empty").mkdir()
    Path("list.txt").write_text("\n")
    with pytest.raises(SodError, match=message):
        list_inputs(source)


def test_a_long_list_is_as_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("link.png").symlink_to(Path("a/1.png").absolute())
    lines = ["a/1.png", "./a//2.png", "link.png", "b/c/3.png", "a/2.png", "b/c", "b/clip.MP4"]
    Path("list.txt").write_text("\n".join(lines))
    short = list_inputs("@list.txt")
    assert [sample.name for sample in short.images] == ["a/1", "a/2", "link", "b/c/3", "b/c/2"]
    monkeypatch.setattr("sod.prediction.listing.FEW", 0)
    assert list_inputs("@list.txt") == short
    Path("list.txt").write_text("a/1.png\na/11.png")
    with pytest.raises(SodError, match=r"a/11\.png: there is no such file"):
        list_inputs("@list.txt")


def test_each_folder_of_a_mixed_list_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("list.txt").write_text("a/1.png\nb/c/2.png\na/2.png\nb/c/3.png")
    read: list[str] = []
    plain = listing._files_in
    monkeypatch.setattr(listing, "_files_in", lambda folder: read.append(folder) or plain(folder))
    monkeypatch.setattr(listing, "FEW", 0)
    assert names("@list.txt") == ["a/1", "b/c/2", "a/2", "b/c/3"]
    assert read == ["a/", "b/c/"]


def test_images_come_before_the_videos_of_a_folder_in_natural_order() -> None:
    write_images(Path("n"), "10", "9", "b")
    write_images(Path("n") / "x", "1")
    (Path("n") / "0.mp4").touch()
    inputs = list_inputs("n")
    assert [sample.name for sample in inputs.images] == ["9", "10", "b", "x/1"]
    assert [sample.name for sample in inputs.videos] == ["0"]
