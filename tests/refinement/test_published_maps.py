"""The bilateral solver on photographs, compared with maps of the published code."""

from pathlib import Path

import numpy as np
import torch
from helpers.bilateral_oracle import Array, solve_tensors
from PIL import Image
from torch import Tensor

from sod.refinement import bilateral_solver


def reference(shared: Path) -> list[tuple[str, Tensor, Tensor, Array]]:
    """Return name, image, target and published map of each photograph."""
    maps = np.load(shared / "reference" / "tokencut_ecssd_every_12th.npz")
    entries = []
    for name in sorted(key[:4] for key in maps.files if key.endswith("_mask")):
        file = shared / "data" / "ECSSD" / "images" / f"{name}.jpg"
        with Image.open(file) as opened:
            pixels = np.array(opened.convert("RGB"))
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        target = torch.from_numpy(maps[f"{name}_mask"])[None, None].float()
        entries.append((name, image, target, maps[f"{name}_soft"] / 255))
    return entries


def test_equals_the_published_maps(shared: Path) -> None:
    entries = reference(shared)
    assert len(entries) == 42
    for name, image, target, expected in entries:
        difference = np.abs(bilateral_solver(image, target)[0, 0].numpy() - expected)
        # The maps are stored with 8 bits. A few pixels lie on the border of two cells, where the
        # published code rounds in either direction.
        assert difference.mean() < 1.1e-3, name
        assert (difference > 2.5e-3).mean() < 0.02, name


def test_agrees_with_the_plain_formulation_on_photographs(shared: Path) -> None:
    for name, image, target, expected in reference(shared)[::8]:
        plain = solve_tensors(image, target)
        assert np.abs(plain - expected).mean() < 1.1e-3, name
        solved = bilateral_solver(image, target)[0, 0].numpy()
        np.testing.assert_allclose(solved, plain, atol=1e-6, err_msg=name)
