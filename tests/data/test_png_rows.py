"""PNG files that are written some rows at a time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sod.core.errors import SodError
from sod.data.png_rows import write_png_rows


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("rows", [1, 7, 40])
def test_pillow_reads_what_was_written(tmp_path: Path, channels: int, rows: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 31, channels), dtype=np.uint8)
    smooth = np.add.outer(np.arange(40), np.arange(31))[..., None].repeat(channels, 2)
    pixels = np.concatenate([noise[:13], smooth[13:].astype(np.uint8)])
    pixels = pixels[..., 0] if channels == 1 else pixels
    parts = (pixels[top : top + rows] for top in range(0, 40, rows))
    write_png_rows(tmp_path / "new" / "a.png", (40, 31), channels, parts)
    with Image.open(tmp_path / "new" / "a.png") as image:
        assert image.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        assert ("srgb" in image.info) == (channels > 1)
        assert np.array_equal(np.asarray(image), pixels)


def test_smooth_pictures_become_small_files(tmp_path: Path) -> None:
    pixels = np.add.outer(np.arange(200), 3 * np.arange(300)).astype(np.uint8)
    write_png_rows(tmp_path / "a.png", (200, 300), 1, [pixels])
    assert (tmp_path / "a.png").stat().st_size < 2000


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> object:
        yield np.zeros((2, 3), np.uint8)
        raise SodError("photo: cannot be read")

    with pytest.raises(SodError, match="photo: cannot be read"):
        write_png_rows(tmp_path / "a.png", (4, 3), 1, broken())  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
