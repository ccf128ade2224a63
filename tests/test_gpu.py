"""Results on a real GPU are those of the CPU; `pytest -m gpu` runs these tests alone."""

import pytest
import torch
from helpers.device_cases import METHODS, batch, build, evaluated, pictures, seeded_loss, soft_masks
from torch import Tensor

from sod.metrics import PROTOCOLS, SaliencyMetrics
from sod.refinement import bilateral_solver, refine_targets

GPU = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else None

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(GPU is None, reason="no GPU")]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> str:
    assert GPU is not None
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return GPU


@pytest.mark.parametrize("name", METHODS)
@torch.no_grad()
def test_saliency(name: str, gpu: str) -> None:
    method = build(name)
    expected = method.saliency(pictures())
    saliency = method.to(gpu).saliency(pictures().to(gpu))
    assert saliency.device.type == gpu
    torch.testing.assert_close(saliency.cpu(), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "name", [name for name in METHODS if name.startswith(("Peek", "Conn", "St"))]
)
def test_a_training_step(name: str, gpu: str) -> None:
    gradients: list[list[Tensor]] = []
    for device in ("cpu", gpu):
        method = build(name).to(device)
        seeded_loss(method, device).backward()
        every = [p.grad.cpu() for p in method.parameters() if p.grad is not None]
        assert every
        gradients.append(every)
    for own, expected in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(own, expected, atol=2e-3, rtol=2e-2)


def test_the_bilateral_solver(gpu: str) -> None:
    expected = bilateral_solver(pictures(), soft_masks())
    solved = bilateral_solver(pictures().to(gpu), soft_masks().to(gpu))
    torch.testing.assert_close(solved.cpu(), expected, atol=1e-4, rtol=0)
    coarse = torch.nn.functional.avg_pool2d(soft_masks(), 8) > 0.5
    targets = refine_targets(pictures().to(gpu), coarse.to(gpu)).targets
    assert torch.equal(targets.cpu(), refine_targets(pictures(), coarse).targets)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_measures(protocol: str, gpu: str) -> None:
    metrics, expected = SaliencyMetrics(protocol).to(gpu), SaliencyMetrics(protocol)
    for saliency, mask in zip(soft_masks()[:, 0], batch()["masks"], strict=True):
        assert mask is not None
        metrics.update(saliency.to(gpu), mask.to(gpu))
        expected.update(saliency, mask)
    assert metrics.compute() == pytest.approx(expected.compute(), abs=1e-6)


def test_evaluation_and_discovery(gpu: str) -> None:
    found, measures = evaluated(gpu)
    expected_found, expected_measures = evaluated("cpu")
    assert found == expected_found
    assert measures == pytest.approx(expected_measures, abs=1e-6)
