import cv2
import numpy as np
import pytest

from sod.data.paste import Piece, background, cut_out, paste, resized, size_of_share

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (40, 60, 3), np.uint8)


def label(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return a label of 40 x 60 with boxes (top, bottom, left, right)."""
    levels = np.zeros((40, 60), np.uint8)
    for number, (top, bottom, left, right) in enumerate(boxes):
        levels[top:bottom, left:right] = 255 - number
    return levels


def test_the_largest_object_is_cut_out_along_its_label() -> None:
    levels = label((5, 15, 10, 30), (20, 24, 40, 44))
    levels[5, 10] = 127  # no pixel of the object
    levels[4, 10:30] = 90
    levels[5:9, 20:30] = 0
    levels[5:8, 22:29] = 255  # another object in its bounding box
    piece = cut_out(PHOTO, levels)
    assert piece is not None
    assert np.array_equal(piece.image, PHOTO[5:15, 10:30])
    assert np.array_equal(piece.label, levels[5:15, 10:30])
    expected = np.ones((10, 20), bool)
    expected[0, 0] = expected[:4, 10:] = False
    assert np.array_equal(piece.shown, expected)


@pytest.mark.parametrize(
    "boxes",
    [
        [],
        [(0, 10, 5, 20)],
        [(30, 40, 5, 20)],
        [(5, 15, 0, 20)],
        [(5, 15, 40, 60)],
        [(5, 8, 5, 8)],  # 9 of 2400 pixels are below 0.5 %
        [(2, 38, 2, 58)],
        [(0, 10, 5, 20), (20, 24, 40, 44)],  # the largest one counts
    ],
    ids=["none", "top", "bottom", "left", "right", "small", "large", "largest"],
)
def test_objects_that_are_cut_off_or_implausible_are_no_donors(
    boxes: list[tuple[int, ...]],
) -> None:
    assert cut_out(PHOTO, label(*boxes)) is None


def test_an_object_is_resized_to_a_share_of_the_image() -> None:
    disc = np.zeros((30, 30), np.uint8)
    cv2.circle(disc, (15, 15), 12, 255, -1)
    piece = Piece(PHOTO[:30, :30], disc, disc > 0)
    for share in (0.002, 0.02, 0.1):
        height, width = size_of_share(piece, share, 200, 300)
        assert height == width
        shown = resized(piece, height, width).shown
        assert shown.sum() / 60_000 == pytest.approx(share, rel=0.1)
    assert size_of_share(piece, 0.9, 20, 200) == (20, 20), "it fits into the image"
    assert size_of_share(piece, 1e-9, 200, 300) == (1, 1)


@pytest.mark.parametrize(("size", "how"), [((5, 10), cv2.INTER_AREA), ((15, 30), cv2.INTER_LINEAR)])
def test_pasted_pixels_are_those_of_the_resized_object_and_the_rest_is_unchanged(
    size: tuple[int, int], how: int
) -> None:
    levels = label((5, 15, 10, 30))
    levels[7:9, 12:16] = 0  # a hole
    found = cut_out(PHOTO, levels)
    assert found is not None
    piece = resized(found, *size)
    photo = cv2.resize(PHOTO[5:15, 10:30], size[::-1], interpolation=how)
    cut = cv2.resize(levels[5:15, 10:30], size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    own, base = label((0, 20, 0, 30)), np.full((40, 60, 3), 7, np.uint8)
    image, target = paste(base, own, piece, np.random.default_rng(3))
    rows, columns = np.nonzero((image != 7).any(2))
    top, left = rows.min(), columns.min()
    place = np.zeros((40, 60), np.uint8)
    place[top : top + size[0], left : left + size[1]] = cut
    expected = base.copy()
    expected[place > 0] = photo[cut > 0]
    assert np.array_equal(image, expected)
    assert np.array_equal(target > 127, (own > 127) | (place > 127)), "the union"
    assert np.array_equal(base, np.full_like(base, 7)), "the arguments are left as they are"


def test_a_soft_label_follows_its_pixels() -> None:
    piece = Piece(PHOTO[:2, :2], np.full((2, 2), 180, np.uint8), np.ones((2, 2), bool))
    _, target = paste(PHOTO, np.full((40, 60), 255, np.uint8), piece, RNG)
    assert (target == 180).sum() == 4
    assert (target == 255).sum() == 2396


def test_every_place_is_possible() -> None:
    piece = Piece(PHOTO[:38, :59], np.full((38, 59), 255, np.uint8), np.ones((38, 59), bool))
    nothing = np.zeros((40, 60), np.uint8)
    targets = [paste(PHOTO, nothing, piece, RNG)[1] for _ in range(60)]
    places = {tuple(int(side.min()) for side in np.nonzero(target)) for target in targets}
    assert places == {(top, left) for top in range(3) for left in range(2)}


def test_a_background_holds_no_pixel_of_the_label() -> None:
    levels = label((10, 30, 20, 40))
    levels[5, 5], levels[35, 50] = 64, 63  # a quarter of 255 is 63.75
    sizes, spoilt = [], 0
    for number in range(200):
        box = background(levels, np.random.default_rng(number))
        assert box is not None
        inside = levels[box]
        assert inside.max() <= 63
        spoilt += int(inside.max() > 0)
        sizes.append((inside.shape[0] / 40, inside.shape[1] / 60))
    tall, wide = np.array(sizes).T
    assert spoilt, "63 is background"
    assert min(tall.min(), wide.min()) >= 0.15
    assert (tall / wide).max() < 2.3
    assert (wide / tall).max() < 2.3
    assert tall.max() > 0.6


def test_no_background_is_found_where_there_is_none() -> None:
    assert background(np.full((40, 60), 255, np.uint8), RNG) is None
    box = background(np.zeros((1, 1), np.uint8), RNG)
    assert box == (slice(0, 1), slice(0, 1))
