"""Reliability of saved maps: how often the pixels of each value are foreground.

sod evaluate --ckpt FILE --data.test DATA --refine none,adaptive --save_maps true --out out
python benchmarks/calibration.py out/maps/METHOD/DATA DATA/masks
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from sod.data.maps import read_map
from sod.data.reading import read_mask

BINS = 10


def counted(maps: Path, masks: Path) -> tuple[Tensor, float]:
    """Count the pixels of maps by their value; each image counts alike.

    Returns:
        Float64 ``[BINS, 3]``: per bin the share of pixels, the sum of their values and of those
        that are foreground; and the mean absolute error.
    """
    sums, error, files = torch.zeros(3, BINS, dtype=torch.float64), 0.0, sorted(maps.glob("*.png"))
    for file in files:
        values = read_map(file).double().flatten()
        truth = torch.from_numpy(read_mask(masks / file.name)).flatten() > 0
        bins = (values * BINS).long().clamp(max=BINS - 1)
        for row, weight in enumerate((torch.ones_like(values), values, truth.double())):
            sums[row] += torch.bincount(bins, weight, BINS) / len(values) / len(files)
        error += float((values - truth.double()).abs().mean()) / len(files)
    return sums.T, error


def main() -> None:
    """Print the bins and the expected calibration error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("masks", type=Path)
    options = parser.parse_args()
    sums, error = counted(options.maps, options.masks)
    print("| mean value | foreground | pixels |\n|---|---|---|")
    for share, values, truth in sums.tolist():
        if share:
            print(f"| {values / share:.3f} | {truth / share:.3f} | {share:.4f} |")
    expected = float((sums[:, 1] - sums[:, 2]).abs().sum())
    print(f"expected calibration error {expected:.4f}, mean absolute error {error:.4f}")


if __name__ == "__main__":
    main()
