import os
from pathlib import Path

import numpy as np
import pytest
import torch

from sod.core.errors import ImageError, SodError
from sod.data.levels import to_levels
from sod.data.maps import read_map, write_map


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[-3.0, 4.0]]), r"expected values in \[0, 1\]"),
        (np.array([[np.nan, 0.5]]), "not finite"),
        (np.array([[np.inf, 0.5]]), "not finite"),
        (np.zeros((0, 4)), r"of numbers, not \(0, 4\)"),
        (np.zeros(3), r"of numbers, not \(3,\)"),
        (np.array([["a"]]), "of numbers"),
        (np.array([[1j]]), "of numbers"),
    ],
)
def test_arrays_that_are_no_maps_are_refused_by_name(
    values: np.ndarray, message: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ImageError, match=rf"a\.npy: .*{message}"):
        read_map(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "content", [b"nothing", b"", b"\x93NUMPY\x01\0\x76\0{'descr': [" + b"(" * 90]
)
def test_damaged_arrays_are_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.npy").write_bytes(content)
    with pytest.raises(ImageError, match=r"broken\.npy: cannot be read"):
        read_map(tmp_path / "broken.npy")
    np.savez(tmp_path / "two.npz", np.zeros(1))
    (tmp_path / "two.npz").rename(tmp_path / "two.npy")
    with pytest.raises(ImageError, match=r"two\.npy: is an archive"):
        read_map(tmp_path / "two.npy")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(ImageError, match=r"pipe\.npy: there is no such regular file"):
        read_map(tmp_path / "pipe.npy")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 255]], np.uint8), [[0, 1]]),
        (np.array([[0.25, 1]]), [[0.25, 1]]),
        (np.array([[[[0.5], [1]]]], np.float16), [[0.5], [1]]),
    ],
)
def test_arrays_are_read_as_float32_maps(
    tmp_path: Path, values: np.ndarray, expected: list[list[float]]
) -> None:
    np.save(tmp_path / "a.npy", values)
    saliency = read_map(tmp_path / "a.npy")
    assert saliency.dtype == torch.float32
    assert saliency.tolist() == expected


def test_a_written_map_is_read_back_in_8_bits(tmp_path: Path) -> None:
    saliency = torch.tensor([[-0.1, 0.0, 0.5], [0.7, 1.0, 1.1]], dtype=torch.float64)
    assert to_levels(saliency).tolist() == [[0, 0, 128], [178, 255, 255]]
    path = tmp_path / "new" / "a.png"
    write_map(path, saliency)
    assert torch.equal(read_map(path) * 255, to_levels(saliency).float())
    with pytest.raises(SodError, match=r"a\.png: cannot be written"):
        write_map(path / "a.png", saliency)
