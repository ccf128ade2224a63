"""Which files are opened as images, and how their colours are read."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.colour_profiles import ADOBE_LIKE
from PIL import EpsImagePlugin, Image, ImageCms

from sod.core.errors import ImageError
from sod.data import image_files
from sod.data.reading import read_image, read_mask
from sod.data.samples import discover_images

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
COLOURS = np.array([[[200, 30, 60], [20, 180, 90]]], np.uint8)


def test_an_eps_named_photo_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []

    def ghostscript(*arguments: object, **_: object) -> object:
        started.append(arguments)
        return Image.new("RGB", (10, 10)).im

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    (tmp_path / "photo.jpg").write_bytes(EPS)
    with Image.open(tmp_path / "photo.jpg") as image:
        image.load()
    assert started  # Pillow by itself does
    started.clear()
    with pytest.raises(ImageError, match="in a format that is not opened"):
        read_image(tmp_path / "photo.jpg")
    assert not started


@pytest.mark.parametrize("suffix", ["dds", "tga", "ico", "pcx", "icns", "jp2", "sgi"])
def test_other_formats_are_not_opened(suffix: str, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / f"a.{suffix}")
    (tmp_path / f"a.{suffix}").rename(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png: .*format that is not opened"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM"])
def test_listed_formats_are_opened_under_any_name(format_: str, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "white").save(tmp_path / "a.png", format_)
    assert read_image(tmp_path / "a.png").shape == (16, 16, 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("read", [read_image, read_mask])
def test_pipes_and_sockets_are_named_and_not_waited_for(
    read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")  # the path of a socket has to be short
        for name in ("pipe.png", "socket.png"):
            with pytest.raises(ImageError, match=f"{name}: not a regular file"):
                read(tmp_path / name)


def test_a_colour_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    image = Image.fromarray(COLOURS)
    image.save(tmp_path / "plain.png")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "srgb.png", icc_profile=srgb)
    image.save(tmp_path / "wide.png", icc_profile=ADOBE_LIKE)
    image.save(tmp_path / "torn.png", icc_profile=ADOBE_LIKE[:100])
    for name in ("plain", "srgb", "torn"):
        assert np.array_equal(read_image(tmp_path / f"{name}.png"), COLOURS)
    wide = read_image(tmp_path / "wide.png").astype(int)
    profile, target = ImageCms.getOpenProfile(_file(tmp_path)), ImageCms.createProfile("sRGB")
    expected = np.asarray(ImageCms.profileToProfile(image, profile, target))
    assert np.abs(wide - expected).max() == 0
    assert np.abs(wide - COLOURS).max() > 10


def test_transparency_survives_a_colour_profile(tmp_path: Path) -> None:
    pixels = np.concatenate([COLOURS, np.array([[[0], [255]]], np.uint8)], axis=2)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=ADOBE_LIKE)
    image = read_image(tmp_path / "a.png")
    assert image[0, 0].tolist() == [255, 255, 255]
    assert np.abs(image[0, 1].astype(int) - COLOURS[0, 1]).max() > 10


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_heic_and_avif_are_found_and_named_without_a_decoder(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"a{suffix.upper()}").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    monkeypatch.setattr(image_files, "_formats", lambda: ("JPEG", "PNG"))
    (path,) = discover_images(tmp_path)
    with pytest.raises(ImageError, match=r"its format needs pillow.*pip install"):
        read_image(path)


@pytest.mark.parametrize(("suffix", "format_"), [("heic", "HEIF"), ("avif", "AVIF")])
def test_heic_and_avif_are_read_where_installed(suffix: str, format_: str, tmp_path: Path) -> None:
    if format_ not in image_files._formats():
        pytest.skip(f"{format_} is not installed")
    Image.new("RGB", (48, 32), (200, 30, 60)).save(tmp_path / f"a.{suffix}", format_)
    image = read_image(tmp_path / f"a.{suffix}")
    assert image.shape == (32, 48, 3)
    assert np.abs(image.astype(int) - (200, 30, 60)).max() <= 8


def test_too_little_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")

    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", fails)
    with pytest.raises(ImageError, match=r"a\.png: too large for the memory"):
        read_image(tmp_path / "a.png")


def _file(folder: Path) -> str:
    path = folder / "adobe.icc"
    path.write_bytes(ADOBE_LIKE)
    return str(path)
