"""Devices, without a device at hand: nothing mixes two, or needs float64 on Apple's GPUs."""

import pytest
import torch
import torch.nn.functional as F
from helpers.device_cases import METHODS, build, evaluated, pictures, seeded_loss, soft_masks
from helpers.fake_devices import DEVICES, pretended
from helpers.spectral_cases import clusters
from torch import Tensor

from sod.engine.monitors import label_free_measures
from sod.engine.registry import known_methods
from sod.labels.consensus import agreements, combine
from sod.labels.score import contrast_and_area
from sod.metrics import PROTOCOLS, SaliencyMetrics, measure
from sod.nn.connectivity.instances import instances
from sod.nn.connectivity.losses import ConnectivityWeights, connectivity_losses
from sod.nn.decoders.quality import QualityConfig, QualityNetwork
from sod.nn.losses.peekaboo import consistency_loss, sharpen_loss
from sod.nn.losses.saliency import binary_loss, dice_loss, iou_loss
from sod.refinement import bilateral_solver, fill_holes, largest_component, refine_targets
from sod.refinement.adaptive import adaptive_refinement
from sod.spectral import normalized_cut, normalized_cuts, second_eigenvector

EVERY_DEVICE = pytest.mark.parametrize("device", DEVICES)


def test_every_method_has_a_case() -> None:
    names = {arguments[0] for arguments in METHODS.values()}
    names |= {"OnnxModel"}  # ONNX Runtime has devices of its own
    assert names == {cls.__name__ for cls in known_methods() if cls.__module__.startswith("sod.")}


@EVERY_DEVICE
@pytest.mark.parametrize("name", METHODS)
@torch.no_grad()
def test_saliency_and_loss_stay_on_the_device(name: str, device: str) -> None:
    method = build(name)
    saliency = method.saliency(pictures())
    trains = method.is_trainable() and name != "Generations"
    loss = seeded_loss(method, "cpu") if trains else torch.zeros(())
    method = build(name)
    with pretended(device):
        moved = method.to(device).saliency(pictures().to(device))
        assert moved.device == torch.device(device)
        torch.testing.assert_close(moved.cpu(), saliency, atol=1e-4, rtol=0)
        if trains:
            moved_loss = seeded_loss(method, device)
            assert moved_loss.device == torch.device(device)
            torch.testing.assert_close(moved_loss.cpu(), loss, atol=1e-4, rtol=1e-4)


@EVERY_DEVICE
def test_losses(device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, masked = torch.randn(2, 2, 1, 64, 64, generator=generator)
    cube = torch.randn(2, 8, 64, 64, generator=generator)
    masks, weights = soft_masks(), torch.rand(2, generator=generator)

    def losses(
        logits: Tensor, masked: Tensor, cube: Tensor, masks: Tensor, weights: Tensor
    ) -> Tensor:
        terms = [loss(logits, masks, masks, weights) for loss in (binary_loss, dice_loss, iou_loss)]
        terms += [sharpen_loss(logits, weights)]
        terms += [
            consistency_loss(logits, masked, masks, masks.round(), kind)
            for kind in ("published", "saliency", "target")
        ]
        every = ConnectivityWeights(*[1.0] * 6)
        terms += connectivity_losses(cube, masks, every, "mean", (1,), masks, weights).values()
        return torch.stack(terms)

    expected = losses(logits, masked, cube, masks, weights)
    with pretended(device):
        moved = losses(*(each.to(device) for each in (logits, masked, cube, masks, weights)))
        assert moved.device == torch.device(device)
        assert torch.equal(moved.cpu(), expected)


@EVERY_DEVICE
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_measures(protocol: str, device: str) -> None:
    saliency, mask = soft_masks()[0, 0], (soft_masks()[1, 0] > 0.5).byte() * 255
    expected, metrics = SaliencyMetrics(protocol), SaliencyMetrics(protocol)
    row = expected.update(saliency, mask)
    values = measure(saliency, mask, PROTOCOLS[protocol]).values
    with pretended(device):
        moved = saliency.to(device)
        assert torch.equal(
            measure(moved, mask.to(device), PROTOCOLS[protocol]).values.cpu(), values
        )
        assert metrics.to(device).update(moved, mask) == row
        assert metrics.compute() == expected.compute()
        assert contrast_and_area(moved) == contrast_and_area(saliency)


@EVERY_DEVICE
def test_refinement_and_masks(device: str) -> None:
    images, soft = pictures(), soft_masks()
    coarse = F.avg_pool2d(soft, 8) > 0.5
    solved, confident = bilateral_solver(images, soft), bilateral_solver(images, soft, soft)
    targets = refine_targets(images, coarse)
    with pretended(device):
        moved = images.to(device), soft.to(device)
        close(bilateral_solver(*moved), solved, device)
        close(bilateral_solver(*moved, moved[1]), confident, device)
        for left, right in zip(refine_targets(moved[0], coarse.to(device)), targets, strict=True):
            close(left, right, device)
        close(adaptive_refinement(*moved), adaptive_refinement(images, soft), device)
        for function in (fill_holes, largest_component):
            close(function(moved[1] > 0.5), function(soft > 0.5), device)


def close(moved: Tensor, expected: Tensor, device: str) -> None:
    assert moved.device == torch.device(device)
    # On CUDA all images are solved at once, and their sums are in another order.
    torch.testing.assert_close(moved.cpu(), expected, atol=1e-4, rtol=0)


@EVERY_DEVICE
def test_the_cut(device: str) -> None:
    features = clusters(144, 0).T.reshape(6, 12, 12)
    expected = normalized_cut(features)
    with pretended(device):
        cut = normalized_cut(features.to(device))
        close(cut.eigenvector, expected.eigenvector, device)
        assert torch.equal(cut.component.cpu(), expected.component)
        assert cut.seed == expected.seed


@EVERY_DEVICE
@pytest.mark.parametrize("held", [2**20, 0])
def test_the_cut_without_a_matrix(device: str, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features = clusters(144, 0).T.reshape(6, 12, 12)
    expected = normalized_cut(features)
    monkeypatch.setattr("sod.spectral.implicit.MATRIX_TOKENS", 0)
    monkeypatch.setattr("sod.spectral.implicit.HELD_BYTES", held)
    monkeypatch.setattr("sod.spectral.implicit.BLOCK", 64)
    with pretended(device):
        cut = normalized_cut(features.to(device))
        close(cut.eigenvector, expected.eigenvector, device)
        assert torch.equal(cut.component.cpu(), expected.component)
        assert cut.seed == expected.seed


@EVERY_DEVICE
def test_cuts_of_a_batch(device: str) -> None:
    features = torch.stack([clusters(48, seed).T.reshape(-1, 6, 8) for seed in range(4)])
    features[1] = 0.3  # nothing to cut
    expected = normalized_cuts(features, 0.3)
    with pretended(device):
        cuts = normalized_cuts(features.to(device), 0.3)
        for cut, alone in zip(cuts, expected, strict=True):
            close(cut.eigenvector, alone.eigenvector, device)
            assert torch.equal(cut.component.cpu(), alone.component)
            assert cut.seed == alone.seed


def test_the_eigenvector_seldom_waits_for_a_gpu() -> None:
    weights = torch.rand(
        3, 200, 200, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    weights = weights + weights.mT
    expected = second_eigenvector(weights)
    with pretended("cuda:0") as pretence:
        vectors = second_eigenvector(weights.to("cuda:0"))
        assert pretence.reads <= 20  # without reads in each of its 60 steps, or for each graph
        torch.testing.assert_close(vectors.cpu(), expected, atol=1e-9, rtol=0)


@EVERY_DEVICE
def test_agreement_quality_and_instances(device: str) -> None:
    maps = soft_masks()
    quality = QualityNetwork(QualityConfig(width=4, size=16))
    cube = maps[0].expand(8, -1, -1)
    with torch.no_grad(), pretended(device):
        expected = quality(pictures(), maps)
        scores = quality.to(device)(pictures().to(device), maps.to(device))
        close(scores, expected, device)
        close(agreements(maps[:, 0].to(device)), agreements(maps[:, 0]), device)
        members = maps[:, None].to(device)
        for how in ("mean", "weighted", "best"):
            assert combine(members, scores[:, None], how).device == torch.device(device)
        assert torch.equal(instances(cube.to(device)).labels, instances(cube).labels)


@EVERY_DEVICE
def test_label_free_measures(device: str) -> None:
    with pretended(device):
        measures = label_free_measures(lambda images: images[:, :1], pictures().to(device))
        expected = label_free_measures(lambda images: images[:, :1], pictures())
        for name, values in expected.items():
            close(measures[name], values, device)


@EVERY_DEVICE
def test_evaluation_and_discovery(device: str) -> None:
    found, measures = evaluated("cpu")
    with pretended(device):
        moved_found, moved_measures = evaluated(device)
    assert moved_found == found
    assert moved_measures == pytest.approx(measures, abs=1e-6)
