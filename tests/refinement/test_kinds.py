import torch

from sod.refinement import bilateral_solver
from sod.refinement.kinds import refine


def test_one_half_itself_is_background_of_the_solvers_target() -> None:
    images = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    saliency = torch.full((1, 1, 32, 40), 0.5)
    saliency[..., 8:24, 10:30] = 0.51
    expected = bilateral_solver(images, (saliency == 0.51).float())
    assert torch.equal(refine(images, saliency, "bilateral"), expected)
    assert not refine(images, torch.full_like(saliency, 0.5), "bilateral").any()
    assert refine(images, saliency, "none") is saliency
