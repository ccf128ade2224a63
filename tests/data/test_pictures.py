"""Pictures are written whole, and marked as sRGB."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sod.data.pictures import write_picture


def test_a_picture_that_cannot_be_finished_leaves_the_previous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "a.png"
    write_picture(path, Image.new("L", (4, 3), 9))
    before = path.read_bytes()

    def stops(self: Image.Image, file: Path, *_: object, **__: object) -> None:
        Path(file).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", stops)
    with pytest.raises(KeyboardInterrupt):
        write_picture(path, Image.new("L", (4, 3), 8))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("mode", "marked"), [("L", False), ("RGB", True), ("RGBA", True)])
def test_colours_are_marked_as_srgb(mode: str, marked: bool, tmp_path: Path) -> None:
    image = Image.new(mode, (4, 3), 9 if mode == "L" else (1, 2, 3, 4)[: len(mode)])
    write_picture(tmp_path / "a.png", image)
    with Image.open(tmp_path / "a.png") as read:
        assert (read.info.get("srgb") == 0) == marked
        assert np.array_equal(np.asarray(read), np.asarray(image))
