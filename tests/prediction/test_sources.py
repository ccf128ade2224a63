"""Which images are predicted on, and the names of their results."""

from pathlib import Path

import pytest
from helpers.image_files import write_images

from sod.core.errors import SodError
from sod.data.naming import unique_names
from sod.prediction.listing import list_inputs


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ("a.png b/a.jpg", "a b/a"),
        ("a.png a.jpg", "a.png a.jpg"),
        ("a.png a.jpg a.png.png a/b.png", "a.png a.jpg a.png.png a/b"),
        ("A.png a.jpg", "A.png a.jpg"),
        ("caf\u00e9.png cafe\u0301.jpg", "caf\u00e9.png cafe\u0301.jpg"),
        ("a.jpg a.png/b.png", "a.jpg a.png/b"),
        ("a.x.png a.x.jpg a.x.png.bmp a.x.png.gif", "a.x.png a.x.jpg a.x.png.bmp a.x.png.gif"),
    ],
)
def test_results_have_names_of_their_own(files: str, names: str) -> None:
    found = unique_names([Path(file) for file in files.split()])
    assert found == names.split()
    assert len({name.casefold() for name in found}) == len(found)


def test_a_result_that_would_be_a_folder_is_named() -> None:
    files = [Path("a.jpg"), Path("a.png/b.png"), Path("a.jpg.png/c.png")]
    with pytest.raises(SodError, match=r"^a\.jpg: its results would have the name of a folder"):
        unique_names(files)


def test_every_image_of_a_folder_is_a_source(tmp_path: Path) -> None:
    write_images(tmp_path, "a", "a.png", "b")
    write_images(tmp_path, "a", suffix=".jpg")
    samples = list_inputs(str(tmp_path)).images
    assert [sample.name for sample in samples] == ["a.jpg", "a.png", "a.png.png", "b"]
    assert all(sample.image.is_file() for sample in samples)
