import pytest
import torch

from sod.core.errors import SodError
from sod.spectral import normalized_cut
from sod.spectral.centroids import two_centroids
from sod.spectral.cut import Cut
from sod.spectral.masks import MasksConfig, cleaned_component


def cut_of(mask: torch.Tensor, seed: tuple[int, int]) -> Cut:
    return Cut(mask.float(), mask, mask, seed)


def row(*degrees: float) -> torch.Tensor:
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()])[:, None]


def test_the_component_of_the_seed_is_kept() -> None:
    # By hand: the tokens near 0 degrees are at both ends, and the seed is at the left one.
    features = row(0, 10, 90, 80, 95, 5)
    mask = torch.tensor([[True, False, False, False, False, False]])
    cleaned = cleaned_component(cut_of(mask, (0, 0)), features)
    assert cleaned.tolist() == [[True, True, False, False, False, False]]


def test_the_seed_is_found_in_any_row() -> None:
    angles = torch.tensor([[0.0, 5, 90, 90], [90, 90, 85, 3]]).deg2rad()
    features = torch.stack([angles.cos(), angles.sin()])
    mask = torch.tensor([[False, False, False, False], [False, False, False, True]])
    assert torch.equal(cleaned_component(cut_of(mask, (1, 3)), features), mask)


def test_nothing_is_done_by_default_and_scales_may_shrink() -> None:
    assert MasksConfig() == MasksConfig(clean_up=False, select_heads=False, scales=(), vote=())
    assert MasksConfig(scales=(0.5,)).scales == (0.5,)


def test_without_the_seed_the_largest_component_is_kept() -> None:
    # The seed itself is unlike its side and leaves it.
    features = row(60, 0, 5, 2, 90, 85, 3)
    mask = torch.tensor([[True, True, True, True, False, False, True]])
    assert not two_centroids(features, mask)[0, 0]
    cleaned = cleaned_component(cut_of(mask, (0, 0)), features)
    assert cleaned.tolist() == [[False, True, True, True, False, False, False]]


def test_an_empty_cut_stays_empty() -> None:
    features = torch.ones(2, 3, 4)
    assert not cleaned_component(normalized_cut(features), features).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vote": ("key.6",)}, "'key.6' is not FACET.BLOCK@TAU"),
        ({"scales": (0.0,)}, "masks.scales"),
        ({"select_heads": True, "vote": ("key.6@0.5",)}, "give one of both"),
    ],
)
def test_mistakes_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(SodError, match=message):
        MasksConfig(**options)  # type: ignore[arg-type]
    assert MasksConfig(vote=("key.6@0.5",)).voters == [("key.6", 0.5)]
