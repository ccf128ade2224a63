import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sod.core.errors import ImageError
from sod.data.reading import grey_fraction, narrow, read_image, read_image_tensor, read_mask

ORIENTATION = 0x0112  # EXIF tag
RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def readable(path: Path) -> bool:
    try:
        Image.open(path).load()
    except OSError:
        return False
    return True


def colours() -> Image.Image:
    return Image.fromarray(np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=2))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("RGB", "png"),
        ("CMYK", "tif"),
        ("YCbCr", "tif"),
        ("RGBA", "png"),
        ("RGB", "bmp"),
        ("RGB", "webp"),
    ],
)
def test_colour_modes_give_the_same_colours(tmp_path: Path, mode: str, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", colours().convert(mode), **options)
    if mode == "YCbCr" and not readable(path):
        pytest.skip("this version of Pillow cannot read the YCbCr TIFF that it writes")
    image = read_image(path)
    assert image.shape == (3, 4, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - np.asarray(colours())).max() <= 3  # YCbCr rounds


def test_an_image_becomes_a_tensor_of_its_channels(tmp_path: Path) -> None:
    image = read_image_tensor(save(tmp_path / "a.png", colours()))
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    assert torch.equal(image, torch.tensor(np.asarray(colours())).permute(2, 0, 1) / 255)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "png"), ("LA", "png"), ("1", "png"), ("P", "png"), ("L", "pgm")]
)
def test_grey_modes_give_three_equal_channels(tmp_path: Path, mode: str, suffix: str) -> None:
    grey = Image.fromarray(np.where(RAMP > 100, 255, 0).astype(np.uint8))
    image = read_image(save(tmp_path / f"a.{suffix}", grey.convert(mode)))
    assert np.array_equal(image, np.repeat(np.asarray(grey)[..., None], 3, 2))


def test_lab_becomes_rgb(tmp_path: Path) -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(colours(), srgb, lab, outputMode="LAB")
    image = read_image(save(tmp_path / "a.tif", converted))
    assert np.abs(image.astype(int) - np.asarray(colours())).max() <= 60  # blues leave its gamut
    assert np.abs(image.astype(int) - np.asarray(colours())).mean() <= 8


def test_transparency_is_composited_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0] = 200
    pixels[0, :, 3] = (255, 0, 51)
    path = save(tmp_path / "a.png", Image.fromarray(pixels))
    expected = [[200, 0, 0], [255, 255, 255], [244, 204, 204]]  # 51/255 = 0.2: 0.2·c + 0.8·255
    assert read_image(path)[0].tolist() == expected


def test_transparent_palette_is_composited_on_white(tmp_path: Path) -> None:
    image = Image.frombytes("P", (2, 1), b"\x00\x01")
    image.putpalette([10, 20, 30, 40, 50, 60])
    path = save(tmp_path / "a.png", image, transparency=0)
    assert read_image(path).tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 257, 257 * 100, 65535]], np.uint16)
    path = save(tmp_path / "a.png", Image.fromarray(values))
    assert read_image(path)[0, :, 0].tolist() == [0, 1, 100, 255]
    assert read_mask(path).tolist() == [[0, 1, 100, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0.0, 0.5, 1.0], np.float32), [0, 128, 255]),
        (np.array([0.0, 2.0, 255.0], np.float32), [0, 2, 255]),
        (np.array([-3, 1, 255], np.int32), [0, 1, 255]),
        (np.array([0, 1], np.uint16), [0, 1]),
        (np.array([0, 10**6], np.int32), [0, 255]),
        (np.array([np.nan, np.inf, 1.0], np.float32), [0, 0, 255]),
        (np.zeros(2, np.float32), [0, 0]),
    ],
)
def test_narrow_follows_the_largest_value(
    values: npt.NDArray[np.generic], expected: list[int]
) -> None:
    assert narrow(values).tolist() == expected


def test_float_and_int_tiff(tmp_path: Path) -> None:
    path = save(tmp_path / "f.tif", Image.fromarray(np.array([[0, 0.2, 1]], np.float32)))
    assert read_image(path)[0, :, 1].tolist() == [0, 51, 255]
    path = save(tmp_path / "i.tif", Image.fromarray(np.array([[0, 65535]], np.int32)))
    assert read_image(path)[0, :, 2].tolist() == [0, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255  # the top left quarter is white
    undo = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation]))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = save(tmp_path / f"a.{suffix}", stored, exif=exif)
    assert np.array_equal(read_image(path) > 127, upright > 127)
    assert np.array_equal(read_mask(path) > 127, upright[..., 0] > 127)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_masks_of_any_mode_are_binary_alike(tmp_path: Path, mode: str) -> None:
    mask = np.where(RAMP > 100, 255, 0).astype(np.uint8)
    suffix = "tif" if mode == "CMYK" else "png"
    path = save(tmp_path / f"m.{suffix}", Image.fromarray(mask).convert("RGB").convert(mode))
    assert np.array_equal(read_mask(path), mask)


def test_masks_of_zero_and_one_stay(tmp_path: Path) -> None:
    mask = np.array([[0, 1], [1, 1]], np.uint8)
    assert np.array_equal(read_mask(save(tmp_path / "m.png", Image.fromarray(mask))), mask)
    wide = Image.fromarray(mask.astype(np.uint16))
    assert np.array_equal(read_mask(save(tmp_path / "w.png", wide)), mask)


def test_grey_fraction() -> None:
    assert grey_fraction(np.array([[0, 255], [255, 0]], np.uint8)) == 0
    assert grey_fraction(np.array([[0, 128], [255, 1]], np.uint8)) == 0.5
    assert grey_fraction(np.zeros((0, 3), np.uint8)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1)])
def test_extreme_shapes(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(np.full(shape, 7, np.uint8)))
    assert read_image(path).shape == (*shape, 3)


def jpeg_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
        buffer, "JPEG"
    )
    return buffer.getvalue()


def bomb_png() -> bytes:
    """Return a PNG file whose header states 60000 x 60000 pixels."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0), b"IDAT": b"x" * 8}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"these are words\n", "not an image"),
        (jpeg_bytes()[:-200], "truncated"),
        (bomb_png(), "bomb"),
        (None, "no such file"),
    ],
)
@pytest.mark.parametrize("read", [read_image, read_mask])
def test_broken_files_are_named_in_one_line(
    tmp_path: Path,
    content: bytes | None,
    reason: str,
    read: Callable[[Path], npt.NDArray[np.uint8]],
) -> None:
    path = tmp_path / "broken.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="folder"):
        read_image(tmp_path)


def outcome(path: Path) -> str:
    """Return the dtype of the image, or the file that the error names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return str(read_image(path).dtype)
        except ImageError as error:
            return str(error).split(": ")[0]


def encoded(suffix: str) -> bytes:
    buffer = io.BytesIO()
    colours().resize((24, 18)).save(buffer, suffix)
    return buffer.getvalue()


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    suffix=st.sampled_from(["JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"]),
    edits=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
    keep=st.floats(0, 1),
)
def test_damaged_bytes_give_an_image_or_a_named_error(
    tmp_path: Path, suffix: str, edits: list[tuple[float, int]], keep: float
) -> None:
    content = bytearray(encoded(suffix))
    for position, value in edits:
        content[int(position * len(content))] = value
    path = tmp_path / "a.img"
    path.write_bytes(content[: int(keep * len(content))])
    assert outcome(path) in {"uint8", str(path)}


def test_a_jpeg_file_is_decoded_no_larger_than_needed(tmp_path: Path) -> None:
    pixels = cv2.GaussianBlur(np.random.default_rng(1).random((160, 240, 3)) * 255, (0, 0), 4)
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.png")
    whole = read_image(tmp_path / "a.jpg")
    sizes = {(160, 240): (160, 240), (81, 121): (160, 240), (80, 120): (80, 120)}
    for size, expected in sizes.items():
        assert read_image(tmp_path / "a.jpg", lambda _h, _w, s=size: s).shape[:2] == expected
        assert read_image(tmp_path / "a.png", lambda _h, _w, s=size: s).shape == whole.shape
    half = read_image(tmp_path / "a.jpg", lambda _h, _w: (80, 120))
    means = whole.reshape(80, 2, 120, 2, 3).mean((1, 3))
    assert np.abs(half - means).mean() < 2


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "I;16"])
def test_strips_give_the_pixels_of_the_whole(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(2).integers(0, 256, (23, 9, 4), dtype=np.uint8)
    if mode == "I;16":
        image = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(values).convert(mode)
    image.save(tmp_path / "a.tif")
    whole = read_image(tmp_path / "a.tif")
    monkeypatch.setattr("sod.data.reading.ROWS", 4)
    assert np.array_equal(read_image(tmp_path / "a.tif"), whole)
