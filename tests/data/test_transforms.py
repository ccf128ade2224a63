import albumentations as A
import cv2
import numpy as np
import pytest

from sod.core.errors import SodError
from sod.data.transforms import Augmentation, EvalTransform, TrainTransform, _steps, resize_mask

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
OFF = {"crop": 1.0, "flip": 0.0, "jitter": 0.0}
BUSY = Augmentation(crop=0.3, flip=0.5, jitter=0.5, grey=0.3, blur=0.5)


def squares() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((40, 60), np.uint8)
    mask[8:24, 12:36] = 255
    return np.repeat(mask[..., None], 3, 2), mask


def test_everything_off_only_resizes() -> None:
    image, mask = squares()
    out, out_mask = TrainTransform(20, Augmentation(**OFF))(image, mask, (0, 0, 0))
    assert out.shape == (20, 20, 3)
    assert out_mask is not None
    expected = np.zeros((20, 20), np.uint8)
    expected[4:12, 4:12] = 255
    assert np.array_equal(out_mask, expected)
    assert np.array_equal(out[..., 0], expected)


def test_a_flip_flips_both() -> None:
    image, mask = squares()
    flip = TrainTransform(20, Augmentation(**{**OFF, "flip": 1.0}))
    plain = TrainTransform(20, Augmentation(**OFF))
    flipped, flipped_mask = flip(image, mask, (0, 0, 0))
    straight, straight_mask = plain(image, mask, (0, 0, 0))
    assert flipped_mask is not None
    assert straight_mask is not None
    assert np.array_equal(flipped, straight[:, ::-1])
    assert np.array_equal(flipped_mask, straight_mask[:, ::-1])


@pytest.mark.parametrize("index", range(8))
def test_the_mask_follows_the_image_and_gains_no_values(index: int) -> None:
    image, mask = squares()
    options = Augmentation(crop=0.3, flip=0.5, jitter=0.0)
    out, out_mask = TrainTransform(64, options)(image, mask, (0, 0, index))
    assert out_mask is not None
    assert set(np.unique(out_mask)) <= {0, 255}
    assert np.mean((out[..., 0] > 127) == (out_mask > 127)) > 0.97


def test_photometric_steps_leave_the_mask_alone() -> None:
    _, mask = squares()
    options = Augmentation(crop=1.0, flip=0.0, jitter=1.0, grey=1.0, blur=1.0)
    out, out_mask = TrainTransform(60, options)(IMAGE, mask, (0, 0, 0))
    assert out_mask is not None
    assert np.array_equal(out_mask, resize_mask(mask, 60, 60))
    assert np.array_equal(out[..., 0], out[..., 1])


def test_the_result_depends_on_seed_epoch_and_index_only() -> None:
    one, other = TrainTransform(32, BUSY), TrainTransform(32, BUSY)
    other(IMAGE, None, (9, 9, 9))  # a different history
    first = one(IMAGE, None, (0, 1, 2))[0]
    assert np.array_equal(first, other(IMAGE, None, (0, 1, 2))[0])
    for seed in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert not np.array_equal(first, one(IMAGE, None, seed)[0])


def test_rescaling_keeps_the_field_of_view() -> None:
    image, mask = squares()
    options = Augmentation(crop=1.0, rescale=(0.5, 3.0), flip=0.0, jitter=0.0)
    transform = TrainTransform(40, options)
    centres = []
    for index in range(10):
        out = transform(image, mask, (0, 0, index))[0][..., 0].astype(float)
        rows, columns = np.mgrid[0:40, 0:40]
        centres.append([(out * rows).sum() / out.sum(), (out * columns).sum() / out.sum()])
    # the square's centre (15.5, 23.5) of 40 x 60 in a square of 40 pixels
    assert np.abs(np.array(centres) - [15.5, 15.5]).max() < 0.5


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_rescaling_resizes_the_shorter_edge_first(factor: float) -> None:
    options = Augmentation(**OFF, rescale=(factor, factor))
    result, _ = TrainTransform(40, options)(IMAGE, None, (0, 0, 0))
    between = (round(60 * factor), round(40 * factor))  # the shorter edge is 40 already
    kinds = (cv2.INTER_AREA, cv2.INTER_LINEAR)
    first, last = kinds if factor < 1 else kinds[::-1]
    coarse = cv2.resize(IMAGE, between, interpolation=first)
    assert np.array_equal(result, cv2.resize(coarse, (40, 40), interpolation=last))


def test_the_factor_of_a_rescaling_spans_its_range_evenly() -> None:
    """From 0.1 to 3.0 of the training size, as FOUND and PEEKABOO publish."""
    first = A.Compose(_steps(100, Augmentation(**OFF, rescale=(0.1, 3.0)))[:2])
    factors = []
    for seed in range(300):
        first.set_random_seed(seed)
        factors.append(min(first(image=IMAGE)["image"].shape[:2]) / 100)
    counts, _ = np.histogram(factors, bins=10, range=(0.1, 3.0))
    assert 0.09 <= min(factors) < 0.15  # the size is rounded down
    assert 2.95 < max(factors) <= 3.0
    assert counts.sum() == 300
    assert counts.min() > 15  # of 30 expected


def test_the_strength_of_the_blur_spans_its_range() -> None:
    """The standard deviation is 0.1 to 2 pixels, in a kernel of a tenth of 224 pixels."""
    step = np.zeros((224, 224, 3), np.uint8)
    step[:, 112:] = 255
    blur = TrainTransform(224, Augmentation(**OFF, blur=1.0))
    positions, sigmas = np.arange(223), []
    for index in range(100):
        line = blur(step, None, (0, 0, index))[0][100, :, 0].astype(float)
        spread = np.diff(line) / 255  # the kernel
        mean = (spread * positions).sum()
        assert mean == pytest.approx(111, abs=0.02)
        sigmas.append((spread * (positions - mean) ** 2).sum() ** 0.5)
    assert min(sigmas) < 0.2
    assert 1.9 < max(sigmas) < 2.05
    assert np.mean(sigmas) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_step_is_taken_with_its_probability(share: float) -> None:
    flip = TrainTransform(20, Augmentation(**{**OFF, "flip": share}))
    image = squares()[0]
    straight = TrainTransform(20, Augmentation(**OFF))(image, None, (0, 0, 0))[0]
    flipped = [not np.array_equal(flip(image, None, (0, 0, k))[0], straight) for k in range(200)]
    assert np.mean(flipped) == pytest.approx(share, abs=0.1 * (share == 0.5))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (7, 300)])
def test_extreme_shapes(shape: tuple[int, int]) -> None:
    options = Augmentation(crop=0.5, rescale=(0.1, 1.0), blur=1.0)
    image = np.full((*shape, 3), 9, np.uint8)
    out, mask = TrainTransform(24, options)(image, image[..., 0], (0, 0, 0))
    assert mask is not None
    assert np.array_equal(out, np.full((24, 24, 3), 9))
    assert np.array_equal(mask, np.full((24, 24), 9))


def test_evaluation_changes_nothing_or_the_image_size_only() -> None:
    _, mask = squares()
    image, same = EvalTransform()(IMAGE, mask, (0, 0, 0))
    assert np.array_equal(image, IMAGE)
    assert same is mask
    image, same = EvalTransform(20)(IMAGE, mask, (0, 0, 0))
    means = IMAGE.reshape(20, 2, 20, 3, 3).mean((1, 3))  # of cells of 2 x 3 pixels
    assert np.abs(image - means).max() <= 0.5
    assert same is mask


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"flip": 1.5}, "flip"),
        ({"jitter": -0.1}, "jitter"),
        ({"crop": 0.0}, "crop"),
        ({"rescale": (0.0, 1.0)}, "rescale"),
        ({"rescale": (2.0, 1.0)}, "rescale"),
        ({"paste": 1.1}, "paste"),
        ({"mix": -0.1}, "mix"),
        ({"empty": 2.0}, "empty"),
        ({"paste": 0.5, "mix": 0.3, "empty": 0.3}, "paste: with mix and empty 1.1 is above 1"),
        ({"paste_area": (0.0, 0.1)}, "paste_area"),
        ({"paste_area": (0.2, 0.1)}, "paste_area"),
        ({"paste_most": 0}, "paste_most"),
        ({"donors": 0.0}, "donors"),
    ],
)
def test_invalid_options_are_named(options: dict[str, float], field: str) -> None:
    with pytest.raises(SodError, match=rf"data\.augmentation\.{field}"):
        Augmentation(**options)
