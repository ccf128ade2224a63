import torch

from sod.spectral.centroids import two_centroids


def directions(*degrees: float) -> torch.Tensor:
    """Unit vectors in a row, ``[2, 1, n]``."""
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()])[:, None]


def test_a_token_goes_to_the_side_that_it_resembles() -> None:
    features = directions(0, 10, 20, 80, 90)
    mask = torch.tensor([[True, True, False, False, False]])
    # By hand: the means point to 5 and about 65 degrees, so that 20 moves; then nothing does.
    assert two_centroids(features, mask).tolist() == [[True, True, True, False, False]]
    assert two_centroids(features, mask, rounds=0).equal(mask)


def test_it_takes_as_many_rounds_as_it_needs() -> None:
    features = directions(0, 20, 38, 50, 100, 110)
    mask = torch.tensor([[True, False, False, False, False, False]])
    one = two_centroids(features, mask, rounds=1)
    # The mean of the others points to about 64 degrees: what is below 32 is nearer to 0.
    assert one.tolist() == [[True, True, False, False, False, False]]
    assert two_centroids(features, mask).tolist() == [[True, True, True, True, False, False]]


def test_sides_that_change_their_roles_are_not_accepted() -> None:
    features = directions(0, 90, 80, 85, 0, 2)
    # The mask holds one of the three tokens near 0 and two of those near 85: it ends as the latter.
    mask = torch.tensor([[True, True, True, False, False, False]])
    assert two_centroids(features, mask).tolist() == [[False, True, True, True, False, False]]
    # Two thirds of these stay on the other side: the result would be the complement.
    flipped = torch.tensor([[0.0, 0.0, 180.0, 180.0, 180.0]])[0].tolist()
    mask = torch.tensor([[True, False, False, False, False]])
    assert two_centroids(directions(*flipped), mask).tolist() == [[True, True, False, False, False]]


def test_an_empty_side_is_left_alone() -> None:
    features = directions(0, 90, 45)
    for value in (True, False):
        mask = torch.full((1, 3), value)
        assert two_centroids(features, mask).equal(mask)
