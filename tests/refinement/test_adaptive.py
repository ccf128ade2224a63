"""Adaptive refinement: its choice against plain loops, and what it is for."""

import pytest
import torch
from helpers.bilateral_oracle import scene
from torch import Tensor

from sod.refinement import bilateral_solver, mask_iou
from sod.refinement.adaptive import LAMBDAS, adaptive_refinement, border_contrast
from sod.refinement.kinds import refine


def soft_scene(seed: int) -> tuple[Tensor, Tensor]:
    image, target = scene(48, 60, seed)
    noise = torch.rand(1, 1, 48, 60, generator=torch.Generator().manual_seed(seed))
    return image.float(), (0.7 * target.float() + 0.3 * noise)


def test_border_contrast_by_hand() -> None:
    image = torch.zeros(1, 3, 2, 3)
    image[0, 0] = torch.tensor([[0.0, 0.5, 0.5], [0.0, 0.0, 0.2]])
    image[0, 1, 0, 0] = 0.1
    left = torch.tensor([[True, False, False], [True, True, False]])
    masks = torch.stack([left, torch.zeros(2, 3, dtype=torch.bool)])[None]
    # Pairs: (0,0)-(0,1): 0.5 + 0.1; (1,1)-(1,2): 0.2; (0,1)-(1,1): 0.5.
    expected = torch.tensor([[(0.6 + 0.2 + 0.5) / 3, 0.0]])
    torch.testing.assert_close(border_contrast(image, masks), expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_choice_is_that_of_plain_loops(seed: int) -> None:
    image, saliency = soft_scene(seed)
    confidence = (2 * saliency - 1).abs().clamp(min=0.02)
    results = [saliency]
    results += [bilateral_solver(image, saliency, confidence, lam=lam) for lam in LAMBDAS]

    def score(result: Tensor) -> float:
        mask = (result > 0.5)[0, 0]
        differences = []
        for y in range(48):
            for x in range(60):
                for other in ((y + 1, x), (y, x + 1)):
                    if other[0] < 48 and other[1] < 60 and mask[y, x] != mask[other]:
                        pixels = image[0, :, y, x] - image[0, :, other[0], other[1]]
                        differences.append(float(pixels.abs().sum()))
        overlap = float(mask_iou(mask, saliency[0, 0] > 0.5))
        return sum(differences) / max(len(differences), 1) * overlap**0.5

    best = max(results, key=score)
    torch.testing.assert_close(adaptive_refinement(image, saliency), best, atol=1e-4, rtol=0)


def test_images_of_a_batch_are_refined_as_each_alone() -> None:
    scenes = [soft_scene(seed) for seed in range(3)]
    images, maps = (torch.cat(parts) for parts in zip(*scenes, strict=True))
    together = refine(images, maps, "adaptive")
    for index, (image, saliency) in enumerate(scenes):
        assert torch.equal(together[index : index + 1], refine(image, saliency, "adaptive"))


def test_a_map_without_a_border_stays() -> None:
    images = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    maps = torch.stack([torch.full((1, 20, 24), value) for value in (0.1, 0.9)])
    assert torch.equal(adaptive_refinement(images, maps), maps)


def test_a_coarse_mask_moves_to_the_edges() -> None:
    image = torch.full((1, 3, 64, 64), 0.2)
    image[..., 16:48, 20:44] = 0.8
    truth = image[:, :1] > 0.5
    coarse = torch.zeros(1, 1, 64, 64)
    coarse[..., 16:48, 16:48] = 1.0  # on a grid of 16 pixels
    refined = adaptive_refinement(image, coarse) > 0.5
    assert float(mask_iou(coarse > 0.5, truth)) == pytest.approx(0.75)
    assert float(mask_iou(refined, truth)) > 0.99
