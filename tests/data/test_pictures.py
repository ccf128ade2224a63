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


def test_files_are_compressed_by_runs_and_keep_their_pixels(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    photo = np.cumsum(draws.integers(-3, 4, (64, 96, 3)), axis=1).astype(np.uint8)
    write_picture(tmp_path / "a.png", Image.fromarray(photo))
    with Image.open(tmp_path / "a.png") as read:
        assert np.array_equal(np.asarray(read), photo)
    chunks = (tmp_path / "a.png").read_bytes()
    # The two bits of a zlib header that say its level (RFC 1950, FLEVEL): 0, the fastest algorithm.
    assert chunks[chunks.index(b"IDAT") + 5] >> 6 == 0
    Image.fromarray(photo).save(tmp_path / "b.png")
    slow = (tmp_path / "b.png").stat().st_size
    assert abs((tmp_path / "a.png").stat().st_size / slow - 1) < 0.1
