"""Precision of a run: what is computed in float32 in each, and how far maps may differ."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers.device_cases import DESCRIPTOR, METHODS, VIT, build, pictures, soft_masks
from helpers.spectral_cases import clusters
from helpers.training_runs import arguments, losses
from pytorch_lightning.plugins.precision import HalfPrecision
from torch import Tensor, nn

from sod.cli import main
from sod.data.synthetic import write_scenes
from sod.engine.checkpoint import read_checkpoint
from sod.engine.method import Method
from sod.engine.monitors import label_free_measures
from sod.labels.initial_targets import tokencut_masks
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.descriptor import Descriptor
from sod.nn.backbones.found import FoundBackground
from sod.nn.decoders.patch_head import PatchHead
from sod.nn.decoders.quality import QualityConfig, QualityNetwork
from sod.nn.propagation import propagate
from sod.nn.resize import lanczos_resize
from sod.refinement import bilateral_solver, refine_targets
from sod.spectral import affinity, normalized_cut, second_eigenvector

FEATURES = clusters(64, 0).T.reshape(1, 6, 8, 8)
FOUND = BackboneConfig("vit_tiny_patch16_224", None, block=2, pos_embed="timm")


def head() -> PatchHead:
    """Return a head with statistics of its features."""
    module = PatchHead(6, standardise=True)
    module.observe(FEATURES)
    return module


def label_free() -> Tensor:
    """Return the measures of a convolution."""
    model = nn.Conv2d(3, 1, 3, padding=1, bias=False)
    nn.init.constant_(model.weight, 0.11)
    measures = label_free_measures(lambda images: (model(images) - 1).sigmoid(), pictures())
    return torch.stack([*measures.values()])


FUNCTIONS: dict[str, Callable[[], Callable[[], Tensor]]] = {
    "affinity": lambda: partial(affinity, FEATURES.flatten(2)[0].T, 0.2, graph="weighted"),
    "eigenvector": lambda: partial(second_eigenvector, torch.ones(64, 64) + torch.eye(64)),
    "cut": lambda: lambda: normalized_cut(FEATURES[0], graph="weighted").eigenvector,
    "initial targets": lambda: partial(tokencut_masks, FEATURES, 0.2),
    "propagation": lambda: partial(propagate, FEATURES[:, :1], FEATURES, 0.5),
    "resize": lambda: partial(lanczos_resize, pictures(), (45, 70)),
    "bilateral solver": lambda: partial(bilateral_solver, pictures(), soft_masks()),
    "targets": lambda: lambda: refine_targets(pictures(), soft_masks() > 0.5).soft,
    "descriptor": lambda: partial(Descriptor(contrast=True), pictures()),
    "FOUND": lambda: partial(FoundBackground(FOUND).masks, pictures()),
    "quality": lambda: partial(QualityNetwork(QualityConfig(4, 16)), pictures(), soft_masks()),
    "head": lambda: partial(head(), FEATURES),
    "label-free": lambda: label_free,
}
"""Functions whose results do not depend on autocast."""


@pytest.mark.parametrize("name", FUNCTIONS)
@torch.no_grad()
def test_autocast_changes_nothing(name: str) -> None:
    function = FUNCTIONS[name]()
    expected = function()
    with torch.autocast("cpu", torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
        result = function()
    assert result.dtype == expected.dtype
    assert torch.equal(result, expected)


@pytest.mark.parametrize("name", ["TokenCut", "TokenCut on a ViT", "Peekaboo"])
@torch.no_grad()
def test_maps_under_autocast_are_those_of_float32(name: str) -> None:
    method = sharpened(name)
    expected = method.saliency(pictures())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(method.saliency(pictures()), expected)


@pytest.mark.parametrize("name", METHODS)
@torch.no_grad()
def test_maps_under_autocast_are_close_to_those_of_float32(name: str) -> None:
    method = sharpened(name)
    expected = method.saliency(pictures())
    with torch.autocast("cpu", torch.bfloat16):
        saliency = method.saliency(pictures())
    assert saliency.dtype == torch.float32
    assert expected.std() > 0.05  # the maps are not flat
    # Backbones and trained networks stay in half precision; U-Nets are the deepest of them.
    assert (saliency - expected).abs().mean() <= (2 if name == "Student" else 1) / 255


@pytest.mark.parametrize("precision", ["16-true", "bf16-true"])
@pytest.mark.parametrize("backbone", [DESCRIPTOR, VIT], ids=["descriptor", "vit"])
def test_peekaboo_is_trained_and_evaluated_in_half_precision(
    backbone: list[str], precision: str, tmp_path: Path
) -> None:
    write_scenes(tmp_path / "scenes", count=4, size=48, seed=3)
    words = [*backbone, "--data.batch_size=2", "--trainer.max_steps=4"]
    words += ["--model.initial_targets.kind=tokencut", "--model.inference.scales=[1.0,1.5]"]
    found = []
    for kind in ("32-true", precision):
        out = tmp_path / kind
        options = [*words, f"--trainer.precision={kind}"]
        assert main(arguments(tmp_path / "scenes", out, *options)) == 0
        assert len(losses(out)) == 4
        found.append(torch.tensor(losses(out)))
    assert torch.allclose(*found, rtol=0.1)
    state = read_checkpoint(tmp_path / precision / "last.ckpt")["state_dict"]
    assert {state[name].dtype for name in state if "predict" in name} == {torch.float32}
    assert state["head.standardise.total"].dtype == torch.float64
    test = ["test", "--ckpt", str(tmp_path / precision / "last.ckpt"), *backbone]
    test += ["--data.test", str(tmp_path / "scenes"), "--trainer.accelerator=cpu"]
    for kind in ("32-true", precision):
        assert main([*test, f"--trainer.precision={kind}"]) == 0


@pytest.mark.parametrize("name", METHODS)
@torch.no_grad()
def test_maps_of_half_precision_are_close_to_those_of_float32(name: str) -> None:
    method = sharpened(name)
    expected = method.saliency(pictures())
    plugin, images = HalfPrecision("16-true"), pictures().half()
    method = plugin.convert_module(method)
    with plugin.forward_context():
        saliency = method.saliency(images)
    assert saliency.dtype == torch.float32
    assert (saliency - expected).abs().mean() <= 1 / 255


def sharpened(name: str) -> Method:
    """Build a method whose random predictions are as contrasted as those of a trained one."""
    method = build(name)
    layers = [
        m for path, m in method.named_modules() if path.endswith(("head.predict", "k.predict"))
    ]
    for layer in layers[:1]:
        outputs: dict[str, Tensor] = {}
        hook = layer.register_forward_hook(lambda _m, _i, output, to=outputs: to.update(of=output))
        method.saliency(pictures())
        hook.remove()
        deviation, mean = torch.std_mean(outputs["of"], (0, 2, 3))
        layer.weight *= (3 / deviation)[:, None, None, None]
        layer.bias.copy_((layer.bias - mean) * 3 / deviation)
    return method
