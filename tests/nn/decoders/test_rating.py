import torch

from sod.nn.decoders.rating import MaskRater


def rated(rater: MaskRater, features: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return rater(features, masks)


def test_ratings_depend_on_features_and_mask_of_their_own_image() -> None:
    torch.manual_seed(0)
    rater = MaskRater(3, 4, width=8).eval()
    features = torch.randn(2, 3, 5, 6)
    masks = (torch.rand(2, 20, 24) > 0.5).float()
    first = rated(rater, features, masks)
    assert first.shape == (2,)
    torch.testing.assert_close(rated(rater, features[1:], masks[1:]), first[1:])
    for changed in (
        rated(rater, features.flip(0), masks),
        rated(rater, features, masks.flip(0)),
        rated(rater, features, (masks + masks.roll(1, -1)) / 2),  # finer than the features
    ):
        assert not torch.isclose(changed, first).any()


def test_boolean_and_empty_masks_are_rated_in_float32() -> None:
    rater = MaskRater(3, 4, width=8).eval().to(torch.bfloat16)
    features, empty = torch.randn(1, 3, 5, 5), torch.zeros(1, 20, 20, dtype=torch.bool)
    rating = rated(rater, features.half(), empty)
    assert rating.dtype == torch.float32
    assert rating.isfinite().all()
    torch.testing.assert_close(rating, rated(rater, features.half().float(), empty.float()))
