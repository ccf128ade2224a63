"""What benchmarks/speed.py times: methods around their backbones, on real images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import step
import torch
from common import ROOT
from paired import Case
from torch import Tensor, nn

from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS
from sod.data.reading import read_image, read_mask, to_tensor
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.engine.together import predict_by_size
from sod.evaluation.evaluator import Evaluator
from sod.evaluation.plan import make_plan
from sod.methods.connnet import ConnNet
from sod.methods.tokencut import TokenCut
from sod.metrics.catalogue import GROUPS
from sod.nn.backbones.build_pyramid import frozen_part
from sod.refinement.kinds import refine
from sod.spectral import normalized_cuts

WEIGHTS = Path("weights") / "vit_tiny_patch16_224.safetensors"
DEFAULT = GROUPS["default"]
ALL = tuple(name for name in GROUPS["all"] if name not in {"hce", "camouflage_context"})
"""All measures that need no optional package."""
WINDOWS = (1, 4, 16)


class Photo(NamedTuple):
    """An image ``[1, 3, H, W]`` in [0, 1], its mask ``[H, W]``, and the file of the image."""

    sample: Sample
    image: Tensor
    mask: Tensor


def photos(shared: Path, count: int) -> list[Photo]:
    """Return the first images of ECSSD."""
    found = []
    for number in range(1, count + 1):
        image = shared / "data" / "ECSSD" / "images" / f"{number:04d}.jpg"
        mask = shared / "data" / "ECSSD" / "ground_truth_mask" / f"{number:04d}.png"
        truth = torch.from_numpy(read_mask(mask))
        found.append(Photo(Sample(image.stem, image), to_tensor(read_image(image))[None], truth))
    return found


def build(command: str, config: str, standin: str, shared: Path, *more: str) -> Method:
    """Build the method of a config with the stand-in weights, in evaluation mode."""
    files = [str(ROOT / "configs" / config), str(ROOT / "benchmarks" / standin)]
    words = ["--config", files[0], "--config", files[1], "--data.num_workers=0"]
    words += ["--model.backbone.weights", str(shared / WEIGHTS), *more]
    return assemble(COMMANDS[command], words).method.eval()


def seen_by(backbone: nn.Module, run: Callable[[], object]) -> Tensor:
    """Return the images that a backbone is given in a run."""
    seen: list[Tensor] = []
    handle = backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    run()
    handle.remove()
    (images,) = seen
    return images


def tokencut_cases(method: TokenCut, images: list[Photo]) -> dict[str, Case]:
    """Return the bare backbone, TokenCut with what follows, and its parts by themselves."""
    inputs = [seen_by(method.backbone, lambda p=p: method.saliency(p.image)) for p in images]
    features = [method.backbone(each) for each in inputs]
    maps = [method.saliency(photo.image) for photo in images]
    refined = [refine(p.image, map_, "bilateral") for p, map_ in zip(images, maps, strict=True)]

    def whole(number: int) -> Tensor:
        return refine(images[number].image, method.saliency(images[number].image), "bilateral")

    cases: dict[str, Case] = {
        "bare backbone": lambda n: method.backbone(inputs[n]),
        "TokenCut": lambda n: method.saliency(images[n].image),
        "TokenCut, bilateral": whole,
        "part: resampling": lambda n: method._prepare(images[n].image, method.scale),
        "part: graph, cut, component": lambda n: normalized_cuts(features[n], method.tau),
        "part: bilateral solver": lambda n: refine(images[n].image, maps[n], "bilateral"),
    }
    for name, measures in (("default measures", DEFAULT), ("all measures", ALL)):
        measure = measuring(measures)
        cases[f"TokenCut, bilateral, {name}"] = lambda n, m=measure: m(images[n], whole(n))
        if measures == DEFAULT:  # the others take longer
            cases[f"part: {name}"] = lambda n, m=measure: m(images[n], refined[n])
    return cases


def measuring(measures: tuple[str, ...]) -> Callable[[Photo, Tensor], Any]:
    """Return a function that measures a map as `sod evaluate` does."""
    plan = make_plan("mean-max", "none", "default")
    evaluator = Evaluator("M", "D", plan.protocol, plan.refinements, None, measures)

    def measure(photo: Photo, saliency: Tensor) -> Any:  # noqa: ANN401
        return evaluator.measure(photo.sample, photo.image[0], photo.mask, saliency[0], 0.0)

    return measure


def connnet_cases(shared: Path, images: list[Photo]) -> dict[str, Case]:
    """Return the bare backbone of a student, and the maps of a coarse one and of fine ones."""
    method = connnet(shared, finest=16)
    fine, tapered = connnet(shared, finest=4), connnet(shared, finest=4, taper=True)
    _, backbone = frozen_part(method.network.pyramid)
    assert backbone is not None  # noqa: S101 - the config has a frozen backbone
    inputs = [seen_by(backbone, lambda p=p: method.saliency(p.image)) for p in images]
    return {
        "bare backbone": lambda n: backbone(inputs[n]),
        "ConnNet, finest: 16": lambda n: method.saliency(images[n].image),
        "ConnNet, finest: 4": lambda n: fine.saliency(images[n].image),
        "ConnNet, finest: 4, tapered": lambda n: tapered.saliency(images[n].image),
    }


def step_cases(shared: Path) -> dict[str, Case]:
    """Return the forward passes of the published PEEKABOO step, the step, and its refinement."""
    method, batch, _ = step.prepare(next(iter(step.CASES.values())), shared)
    run, refinement = step.step_of(method, batch), step.refinement_of(method, batch)

    def forward(_: int) -> None:
        with torch.no_grad():
            method.backbone(batch["images"])
            method.backbone(batch["images"])

    return {
        "two bare forward passes": forward,
        "PEEKABOO step": lambda _: run(),
        "part: refinement": lambda _: refinement(),
    }


def window_cases(method: TokenCut, images: list[Photo]) -> dict[str, Case]:
    """Return TokenCut on all images, with 1, 4 and 16 images of any sizes in a step."""

    def run(together: int) -> None:
        for first in range(0, len(images), together):
            window = [photo.image[0] for photo in images[first : first + together]]
            predict_by_size(method.saliency, window)

    return {f"{count} in a step": lambda _, count=count: run(count) for count in WINDOWS}


def batch_cases(method: TokenCut) -> dict[str, Case]:
    """Return the bare backbone on 16 images of one size, one by one, in fours, and at once."""
    images = torch.rand(16, 3, 304, 400, generator=torch.Generator().manual_seed(0))
    parts = {count: images.split(count) for count in WINDOWS}
    return {
        f"{count} in a step": lambda _, count=count: [method.backbone(p) for p in parts[count]]
        for count in WINDOWS
    }


def tokencut(shared: Path) -> TokenCut:
    """Return TokenCut on the stand-in weights."""
    return cast("TokenCut", build("evaluate", "tokencut.yaml", "standin.yaml", shared))


def connnet(shared: Path, finest: int, taper: bool = False) -> ConnNet:
    """Return an untrained student of the generations: its cost does not depend on its weights."""
    words = [f"--model.network.finest={finest}", f"--model.network.taper={taper}".lower()]
    built = build("fit", "connnet.yaml", "student_standin.yaml", shared, *words)
    return cast("ConnNet", built)
