"""Processor time of all cuts of one photo, against running each configuration by itself.

    OMP_NUM_THREADS=1 python benchmarks/tune_speed.py --shared ../shared

Every tenth of the 240 configurations is run by itself, with a backbone of its own that stops after
its block, and the sum is multiplied by ten. Processor time, because other programs were running.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from sod.data.reading import read_image_tensor
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig, build_with_every_tap
from sod.tuning.configurations import TAUS, configurations
from sod.tuning.cuts import cut_image


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of data and weights")
    shared = parser.parse_args().shared
    weights = str(shared / "weights/vit_tiny_patch16_224.safetensors")
    image = read_image_tensor(shared / "data/ECSSD/images/0005.jpg")
    backbone, taps = build_with_every_tap(BackboneConfig("vit_tiny_patch16_224", weights))
    together = seconds(lambda: cut_image(backbone, image, TAUS, 1600))
    alone = 0.0
    for tap, tau in configurations(taps, TAUS)[::10]:
        config = BackboneConfig("vit_tiny_patch16_224", weights, tap.facet, tap.block)
        method = TokenCut(config, tau)
        alone += 10 * seconds(lambda method=method: method.saliency(image[None]))
    print(f"{image.shape[2]}x{image.shape[1]} pixels, {len(taps) * len(TAUS)} configurations: "
          f"{together:.2f} s together, {alone:.1f} s one by one")  # fmt: skip


@torch.inference_mode()
def seconds(run: Callable[[], object]) -> float:
    """Return the shorter processor time of two calls, in seconds."""
    times = []
    for _ in range(2):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
