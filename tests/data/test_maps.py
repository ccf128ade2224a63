from pathlib import Path

import numpy as np
import pytest
import torch

from sod.core.errors import ImageError, SodError
from sod.data.levels import to_levels
from sod.data.maps import read_map, write_map


def test_arrays_out_of_range_are_refused_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "logits.npy", np.array([[-3.0, 4.0]]))
    with pytest.raises(ImageError, match=r"logits\.npy: expected an array"):
        read_map(tmp_path / "logits.npy")
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"broken\.npy: cannot be read"):
        read_map(tmp_path / "broken.npy")


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
