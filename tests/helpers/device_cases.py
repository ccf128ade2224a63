"""Methods and images for the tests of devices and precisions."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import sod.methods  # noqa: F401 - defines the methods
from helpers.network_cases import disc
from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS
from sod.data.dataset import Batch
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.evaluation.discovery import Discovery
from sod.evaluation.evaluator import Evaluator
from sod.metrics import MEASURES

DESCRIPTOR = ["--model.backbone.name=descriptor", "--model.backbone.weights=null"]
VIT = [
    "--model.backbone.name=vit_tiny_patch16_224",
    "--model.backbone.weights=null",
    "--model.backbone.pos_embed=timm",
]
METHODS = {
    "CentreBox": ["CentreBox"],
    "TokenCut": ["TokenCut", *DESCRIPTOR],
    "TokenCut on a ViT": ["TokenCut", *VIT, "--model.scale=1.5"],
    "Peekaboo": ["Peekaboo", *DESCRIPTOR, "--model.standardise=true"],
    "Peekaboo with TokenCut's targets": [
        *("Peekaboo", *VIT, "--model.initial_targets.kind=tokencut"),
        *("--model.inference.propagate=0.5", "--model.inference.scales=[1.0,1.5]"),
    ],
    "Peekaboo with FOUND's targets": [
        *("Peekaboo", *VIT, "--model.initial_targets.kind=found", "--model.downsample=area"),
        *("--model.initial_targets.role=targets", "--model.initial_targets.weight_images=true"),
    ],
    "ConnNet": [
        *("ConnNet", *DESCRIPTOR, "--model.backbone.extra_features=[]"),
        *("--model.network.dropout=0.3", "--model.head.weights.iou=1.0"),
        *("--model.labels.weight_pixels=true", "--model.network.deep_supervision=true"),
    ],
    "ConnNet on a ViT": ["ConnNet", *VIT, "--model.head.kind=binary", "--model.network.layers=1"],
    "Student": ["Student", "--model.network.width=4", "--model.network.size=32"],
    "Student of low resolution": [
        *("Student", "--model.network.kind=lowres", "--model.network.width=4"),
        *("--model.loss_kind=bce", "--model.iou=1.0", "--model.labels.weight_pixels=true"),
    ],
    "CoSaliency": ["CoSaliency", *VIT, "--model.prior=attention"],
    "LearnedCoSaliency": ["LearnedCoSaliency", *VIT],
    "Generations": ["Generations", *DESCRIPTOR],
}
"""Arguments of methods that need no weights, by name."""


def build(name: str, *more: str) -> Method:
    """Build one of ``METHODS``, in evaluation mode; equal names give equal weights."""
    method, *arguments = METHODS[name]
    return assemble(COMMANDS["test"], [f"--model={method}", *arguments, *more]).method.eval()


def pictures() -> Tensor:
    """Return two noisy pictures of a disc, ``[2, 3, 64, 64]`` in multiples of 1/255."""
    image, _ = disc(64, 64)
    noise = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) / 4
    return ((torch.cat([image, image.flip(-1)]) + noise).clamp(0, 1) * 255).round() / 255


def soft_masks() -> Tensor:
    """Return soft masks of the pictures, ``[2, 1, 64, 64]`` in [0, 1]."""
    _, mask = disc(64, 64)
    noise = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(2)) / 3
    return (torch.cat([mask, mask.flip(-1)]).float() * 2 / 3 + noise).clamp(0, 1)


def batch(device: str = "cpu") -> Batch:
    """Return a training batch of the pictures on a device."""
    masks: list[Tensor | None] = [
        (mask[0] * 255).byte().to(device) for mask in (soft_masks() > 0.5).float()
    ]
    samples = [Sample(name, Path(f"{name}.jpg")) for name in ("left", "right")]
    return Batch(images=pictures().to(device), masks=masks, samples=samples, errors=[])


def seeded_loss(method: Method, device: str = "cpu") -> Tensor:
    """Return the loss of a training batch with the same random numbers each time."""
    torch.manual_seed(0)
    return method.train().loss(batch(device)).loss


def evaluated(device: str) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Measure the soft masks against the pictures' masks, and their boxes against two boxes.

    Args:
        device: Where images, masks and maps are; the boxes are on the CPU.

    Returns:
        The rows of the discovery and CorLoc, and the measures of the evaluation by name and
        refinement.
    """
    data, saliency = batch(device), soft_masks().to(device)
    corners = {"left": [20.0, 10, 60, 45], "right": [0.0, 0, 5, 5]}
    boxes = {name: torch.tensor([box], dtype=torch.float64) for name, box in corners.items()}
    discovery = Discovery(boxes, "bilateral")
    discovery.metric.to(device)
    discovery.process(data, {"saliency": saliency, "seconds": 1.0}, build("CentreBox"))
    evaluator = Evaluator("M", "D", "mean-max", ["none", "bilateral"])
    images, masks = data["images"], [mask for mask in data["masks"] if mask is not None]
    for parts in zip(data["samples"], images, masks, saliency, strict=True):
        evaluator.update(*parts, 1.0)
    measures = {
        f"{row['refine']} {key}": row[key] for row in evaluator.result().rows for key in MEASURES
    }
    return [*discovery.rows, {"corloc": float(discovery.metric.compute())}], measures
