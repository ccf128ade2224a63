"""How the cost of TokenCut grows with images, tokens and pixels, and what other backbones cost."""

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pytorch_lightning as pl
import torch
from common import RESULTS
from paired import Quartiles, in_turns, milliseconds
from PIL import Image
from speed_cases import Photo

from sod.data.datamodule import SaliencyData
from sod.data.reading import read_image, to_tensor
from sod.data.working_size import at_working_size
from sod.evaluation.callback import Evaluation
from sod.evaluation.plan import make_plan
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.resize import saliency_size
from sod.refinement.kinds import refine
from sod.spectral import normalized_cuts

GRIDS = ((10, 15), (19, 25), (30, 40), (45, 60))
MEGAPIXELS = (0.1, 0.4, 1.2)
COUNTS = (5, 10, 20)
BACKBONES = {"ViT-S/16": ("vit_small_patch16_224", 16), "ViT-S/8": ("vit_small_patch8_224", 8)}


class Growth(NamedTuple):
    """Processor milliseconds by size, and the exponent of their growth."""

    over: str
    what: str
    sizes: list[float]
    cost: list[Quartiles]
    slope: float


def growth(over: str, what: str, runs: Mapping[float, Callable[[], object]], passes: int) -> Growth:
    """Time one case at all sizes, in turns."""
    cases = {str(size): lambda _, run=run: run() for size, run in runs.items()}
    times = in_turns(cases, 1, passes)
    cost = [milliseconds(times[str(size)].cpu) for size in runs]
    medians = [each.median for each in cost]
    return Growth(over, what, list(runs), cost, slope(list(runs), medians))


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of a line through logarithms, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def over_tokens(method: TokenCut, photo: Photo, passes: int) -> list[Growth]:
    """Return the growth of the backbone, the cut and the whole of TokenCut with tokens."""
    patch = method.backbone.patch_size
    sized = {
        float(rows * columns): resized(photo, rows * patch, columns * patch)
        for rows, columns in GRIDS
    }
    features = {size: method.backbone(image) for size, image in sized.items()}
    kinds: dict[str, Callable[[float], object]] = {
        "bare backbone": lambda size: method.backbone(sized[size]),
        "graph and cut": lambda size: normalized_cuts(features[size], method.tau),
        "TokenCut, bilateral": lambda size: whole(method, sized[size]),
    }
    return [
        growth("tokens", name, {s: lambda s=s, run=run: run(s) for s in sized}, passes)
        for name, run in kinds.items()
    ]


def resized(photo: Photo, height: int, width: int) -> torch.Tensor:
    """Return the image of a photo at a size, in 8-bit levels as files have them."""
    size = (height, width)
    image = torch.nn.functional.interpolate(photo.image, size, mode="bilinear", antialias=True)
    return (image * 255).round() / 255


def whole(method: TokenCut, image: torch.Tensor) -> torch.Tensor:
    """Return the refined map of an image."""
    return refine(image, method.saliency(image), "bilateral")


def over_pixels(method: TokenCut, photo: Photo, passes: int) -> Growth:
    """Return the growth with the pixels of a JPEG file: reading, map and refinement."""
    source = Image.open(photo.sample.image)
    aspect = source.width / source.height
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for size in MEGAPIXELS:
            height = round(math.sqrt(1e6 * size / aspect))
            files[size] = Path(folder) / f"{size}.jpg"
            source.resize((round(height * aspect), height)).save(files[size], quality=90)

        def run(size: float) -> torch.Tensor:
            return whole(method, to_tensor(at_working_size(read_image(files[size])))[None])

        runs = {size: lambda size=size: run(size) for size in MEGAPIXELS}
        return growth("megapixels", "reading, TokenCut, bilateral", runs, passes)


def over_images(method: TokenCut, shared: Path, passes: int) -> Growth:
    """Return the growth of `sod evaluate`'s loop with the number of images."""

    def run(count: int) -> None:
        plan = make_plan("mean-max", "none,bilateral", "default")
        callback = Evaluation("TokenCut", ["ECSSD"], plan, threads=0)
        quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False}
        quiet |= {"enable_model_summary": False, "enable_checkpointing": False}
        trainer = pl.Trainer(
            accelerator="cpu", callbacks=[callback], limit_test_batches=count, **quiet
        )
        data = SaliencyData(root=str(shared / "data"), test="ECSSD", num_workers=0)
        trainer.test(method, datamodule=data, verbose=False)

    runs = {float(count): lambda count=count: run(count) for count in COUNTS}
    return growth("images", "loop of sod evaluate, two rows", runs, passes)


def forward_of(shared_photo: Photo, passes: int) -> dict[str, Quartiles]:
    """Return the processor milliseconds of other bare backbones, with random weights."""
    cases = {}
    for name, (model, patch) in BACKBONES.items():
        backbone = build_backbone(BackboneConfig(model, None, "key", -1)).eval()
        height, width = shared_photo.image.shape[-2:]
        image = resized(shared_photo, *saliency_size(height, width, patch))
        cases[name] = lambda _, backbone=backbone, image=image: backbone(image)
    times = in_turns(cases, 1, passes)
    return {name: milliseconds(times[name].cpu) for name in cases}


def plot(rows: Sequence[Growth], path: Path = RESULTS / "speed.svg") -> None:
    """Plot the cost over each kind of size, on logarithmic axes."""
    plt.rcParams["svg.hashsalt"] = "speed"
    kinds = list(dict.fromkeys(row.over for row in rows))
    figure, axes = plt.subplots(1, len(kinds), figsize=(4 * len(kinds), 3.4))
    for axis, kind in zip(axes, kinds, strict=True):
        for row in (row for row in rows if row.over == kind):
            medians = [each.median for each in row.cost]
            axis.loglog(row.sizes, medians, "o-", label=f"{row.what}: {row.slope:.2f}")
        axis.set(xlabel=kind, ylabel="processor ms" if kind == kinds[0] else "")
        axis.legend(fontsize=7, title="slope", title_fontsize=7)
        axis.grid(alpha=0.3, which="both")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
