"""Small image files for tests of datasets."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_images(
    folder: Path,
    *names: str,
    suffix: str = ".png",
    size: tuple[int, int] = (4, 5),
    distinct: bool = False,
) -> None:
    """Write one grey image per name: white, or if ``distinct`` with the grey level 0, 1, 2, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        level = number if distinct else 255
        Image.fromarray(np.full(size, level, np.uint8)).save(folder / f"{name}{suffix}")
