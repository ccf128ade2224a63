import numpy as np
import pytest
import torch
from helpers.vit_cases import Options, tiny_vit

from sod.nn.backbones.position import dino_position, traced_dino_position
from sod.nn.backbones.vit import Tap, VisionBackbone


def cubic(distance: np.ndarray) -> np.ndarray:
    """Bicubic kernel of PyTorch."""
    a, x = -0.75, np.abs(distance)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def plain_dino(old: int, new: int) -> np.ndarray:
    """Weights of samples at (i + 0.5) * old / (new + 0.1) - 0.5, with repeated borders."""
    matrix = np.zeros((new, old))
    for row in range(new):
        position = (row + 0.5) * old / (new + 0.1) - 0.5
        for source in range(int(np.floor(position)) - 1, int(np.floor(position)) + 3):
            matrix[row, min(max(source, 0), old - 1)] += cubic(np.array(position - source))
    return matrix


@pytest.mark.parametrize("grid", [(3, 5), (7, 4), (6, 6)])
def test_dino_positions_follow_the_formula(grid: tuple[int, int]) -> None:
    embedding = torch.randn(1, 1 + 16, 5)
    patches = embedding[0, 1:].view(4, 4, 5).double().numpy()
    expected = np.einsum("hr,wc,rcd->hwd", plain_dino(4, grid[0]), plain_dino(4, grid[1]), patches)
    result = dino_position(embedding, (4, 4), grid)
    assert torch.equal(result[:, :1], embedding[:, :1])
    np.testing.assert_allclose(result[0, 1:].numpy(), expected.reshape(-1, 5), atol=1e-5)
    assert dino_position(embedding, (4, 4), (4, 4)) is embedding


@pytest.mark.parametrize("grid", [(3, 5), (7, 4), (6, 6), (4, 4)])
def test_a_traced_graph_has_the_same_positions(grid: tuple[int, int]) -> None:
    embedding = torch.randn(1, 1 + 16, 5)
    expected = dino_position(embedding, (4, 4), grid)
    torch.testing.assert_close(traced_dino_position(embedding, (4, 4), grid), expected)


@pytest.mark.parametrize("options", [{}, {"no_embed_class": True, "reg_tokens": 2}])
def test_dino_embedding_differs_from_timm_only_in_the_interpolation(options: Options) -> None:
    dino = VisionBackbone(tiny_vit(**options), [Tap("token", 1)], "dino", "tiny")
    timm = VisionBackbone(tiny_vit(**options), [Tap("token", 1)], "timm", "tiny")
    trained = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(dino(trained), timm(trained))
    other = torch.rand(1, 3, 48, 16)
    assert not torch.allclose(dino(other), timm(other), atol=1e-3)


def test_positions_are_cached_until_the_weights_change() -> None:
    backbone = VisionBackbone(tiny_vit(), [Tap("token", 0)], "dino", "tiny")
    images = torch.rand(1, 3, 48, 16)
    with torch.inference_mode():
        before = backbone(images).clone()
    assert len(backbone._positions) == 1
    torch.testing.assert_close(backbone(images), before)
    state = backbone.state_dict()
    backbone.load_state_dict({**state, "vit.pos_embed": state["vit.pos_embed"] + 1})
    assert not torch.allclose(backbone(images), before, atol=1e-2)
