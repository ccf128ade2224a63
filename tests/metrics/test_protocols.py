import dataclasses

import numpy as np
import pytest
import torch
from helpers.metric_cases import Picture, blob, maps, masks
from helpers.metric_reference import plain_curves, plain_row

from sod.core.errors import SodError
from sod.metrics import (
    CURVES,
    MEASURES,
    PROTOCOLS,
    SaliencyMetrics,
    foreground,
    get_protocol,
    measure,
    resize_saliency,
)
from sod.metrics.alignment import e_measure
from sod.metrics.functional import needed_curves
from sod.metrics.thresholds import Counts, kappa

SIZES = ((1, 1), (3, 5), (24, 31))
OTHER_PROTOCOLS = ("mean-max", "image-max", "image-max-single", "a2s")


def own_row(
    saliency: np.ndarray, mask: Picture, protocol: str, refined: bool = False
) -> dict[str, float]:
    measured = measure(
        torch.from_numpy(saliency), torch.from_numpy(mask), get_protocol(protocol), refined=refined
    )
    return dict(zip(MEASURES, measured.values.tolist(), strict=False))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("protocol", OTHER_PROTOCOLS)
def test_measures_agree_with_the_reference(protocol: str, size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    for mask_name, mask in masks(size, random).items():
        for name, picture in list(maps(mask, random).items())[::2]:
            saliency = picture / 255
            own = own_row(saliency, mask, protocol)
            for key, value in plain_row(saliency, mask, protocol).items():
                assert own[key] == pytest.approx(value, abs=1e-7), f"{mask_name}/{name}: {key}"


@pytest.mark.parametrize("protocol", OTHER_PROTOCOLS)
def test_unquantised_maps_agree_with_the_reference(protocol: str) -> None:
    random = np.random.default_rng(1)
    mask = blob((40, 30), (0.5, 0.5), 0.3)
    saliency = np.clip(0.5 * mask / 255 + 0.5 * random.random(mask.shape), 0, 1)
    for refined in (False, True):
        own = own_row(saliency, mask, protocol, refined)
        assert own == pytest.approx(plain_row(saliency, mask, protocol, refined), abs=1e-7)
        metrics = SaliencyMetrics(protocol, refined=refined)
        metrics.update(torch.from_numpy(saliency), torch.from_numpy(mask))
        curves = metrics.curves()
        for name, plain in zip(
            CURVES, plain_curves(saliency, mask, protocol, refined), strict=True
        ):
            np.testing.assert_allclose(curves[name], plain, atol=1e-12)


def dataset(protocol: str) -> tuple[dict[str, float], list[tuple[np.ndarray, Picture]]]:
    random = np.random.default_rng(2)
    mask = blob((20, 20), (0.4, 0.5), 0.3)
    pairs = [(picture / 255, mask) for picture in maps(mask, random).values()]
    metrics = SaliencyMetrics(protocol)
    for saliency, truth in pairs:
        metrics.update(torch.from_numpy(saliency), torch.from_numpy(truth))
    return metrics.compute(), pairs


def test_mean_max_takes_the_maximum_of_the_mean_curve() -> None:
    values, pairs = dataset("mean-max")
    curves = np.mean([plain_curves(*pair, "mean-max", False) for pair in pairs], axis=0)
    assert values["max_f"] == pytest.approx(curves[2].max())
    assert values["mean_f"] == pytest.approx(curves[2].mean())
    assert values["max_e"] == pytest.approx(curves[3].max())


def test_image_max_takes_the_mean_of_the_maxima_with_a_squared_beta2() -> None:
    values, pairs = dataset("image-max")
    curves = [plain_curves(*pair, "image-max", False) for pair in pairs]
    assert values["max_f"] == pytest.approx(np.mean([f.max() for _, _, f, _ in curves]))
    assert values["max_e"] == pytest.approx(np.mean([e.max() for *_, e in curves]))


def test_a2s_takes_f_of_mean_precision_and_mean_recall() -> None:
    values, pairs = dataset("a2s")
    precision, recall, *_ = np.mean([plain_curves(*pair, "a2s", False) for pair in pairs], axis=0)
    f = 1.3 * precision * recall / (0.3 * precision + recall)
    assert values["max_f"] == pytest.approx(f.max())


def test_measures_that_are_no_maxima_are_means_over_images() -> None:
    for protocol in PROTOCOLS:
        values, pairs = dataset(protocol)
        rows = [plain_row(*pair, protocol) for pair in pairs]
        for key in ("mae", "iou", "accuracy", "adaptive_f", "weighted_f", "adaptive_e", "mean_e"):
            expected = np.mean([row[key] for row in rows])
            assert values[key] == pytest.approx(expected, abs=1e-7), f"{protocol}: {key}"


def test_maps_read_from_8_bits_meet_their_thresholds_exactly() -> None:
    levels = torch.arange(256).float().repeat(3, 1)
    mask = torch.full((3, 256), 255, dtype=torch.uint8)
    for saliency in (levels / 255, (levels / 255).double(), levels * (1 / 255)):
        recall = measure(saliency, mask, get_protocol("mean-max")).curves[1]
        expected = (255 - torch.arange(255)) / 256
        torch.testing.assert_close(recall, expected.double())


def test_the_mask_rules() -> None:
    mask = torch.tensor([[0, 1, 100, 128, 129, 255]], dtype=torch.uint8)
    expected = {"nonzero": 5, "255": 1, "over-128": 2, "half-max": 3}
    assert {rule: int(foreground(mask, rule).sum()) for rule in expected} == expected
    assert int(foreground(mask // 2, "half-max").sum()) == 3
    assert foreground(mask > 100, "255").equal(mask > 100)


@pytest.mark.parametrize(
    ("protocol", "f", "adaptive_f", "adaptive_e"),
    [("mean-max", 1, 0, 0), ("image-max", 0, 0, 20 / 19), ("a2s", 0, 0, 0), ("pysod", 0, 0, 0)],
)
def test_an_image_that_is_empty_on_both_sides(
    protocol: str, f: float, adaptive_f: float, adaptive_e: float
) -> None:
    empty = np.zeros((4, 5), np.uint8)
    row = own_row(empty / 255, empty, protocol)
    assert (row["iou"], row["max_f"], row["s_measure"], row["weighted_f"]) == (f, f, 1, 0)
    assert (row["adaptive_f"], row["adaptive_e"], row["max_e"]) == (adaptive_f, adaptive_e, 20 / 19)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_degenerate_masks_have_defined_values(protocol: str) -> None:
    binary = protocol == "image-max-single"
    saliency, empty = np.full((4, 5), 0.6), np.zeros((4, 5), np.uint8)
    mean = 1.0 if binary else 0.6
    row = own_row(saliency, empty, protocol)
    assert (row["iou"], row["weighted_f"]) == (0, 0)
    assert row["s_measure"] == pytest.approx(1 - mean)
    row = own_row(saliency, 255 - empty, protocol)
    assert row["s_measure"] == pytest.approx(mean)
    assert (row["iou"], row["max_f"], row["max_e"]) == (1, 1, 20 / 19)
    assert own_row(0 * saliency, 255 - empty, protocol)["iou"] == 0
    corner = empty.copy()
    corner[-1, -1] = 255
    assert own_row(corner / 255, corner, protocol)["s_measure"] == pytest.approx(1, abs=1e-5)


def test_a_single_pixel_has_an_alignment_of_one_except_under_pysod() -> None:
    full = np.full((1, 1), 255, np.uint8)
    for protocol in OTHER_PROTOCOLS:
        assert own_row(full / 255, full, protocol)["max_e"] == 1
    assert own_row(full / 255, full, "pysod")["max_e"] == 2**52
    assert e_measure(Counts(*torch.tensor([[2.0], [2], [2], [2]]))) == 2  # 2 of 2 pixels, of HW - 1


def test_single_mode_keeps_the_largest_component() -> None:
    multi, single = get_protocol("image-max"), get_protocol("image-max-single")
    assert single == dataclasses.replace(
        multi, name=single.name, users=single.users, components="single"
    )
    saliency = np.zeros((8, 8))
    saliency[1:3, 1:3], saliency[5:8, 4:8] = 0.9, 0.6
    mask = np.zeros((8, 8), np.uint8)
    mask[5:8, 4:8] = 255
    assert own_row(saliency, mask, "image-max-single")["iou"] == 1
    assert own_row(saliency, mask, "image-max")["iou"] == 12 / 16


def test_refined_maps_are_cut_under_image_max_only() -> None:
    mask = blob((12, 12), (0.5, 0.5), 0.3)
    saliency = np.where(mask > 0, 0.8, 0.3)
    soft, cut = (own_row(saliency, mask, "image-max", refined) for refined in (False, True))
    assert soft["s_measure"] < 0.9 < cut["s_measure"]
    assert own_row(saliency, mask, "mean-max", True) == own_row(saliency, mask, "mean-max")


def test_kappa_by_hand() -> None:
    # 2 hits, 4 predicted, 3 of the object, 10 pixels: accuracy 0.7, by chance 0.12 + 0.42.
    counts = Counts(*torch.tensor([[2.0], [4], [3], [10]], dtype=torch.float64))
    assert float(kappa(counts)) == pytest.approx((0.7 - 0.54) / (1 - 0.54))


def test_curves_are_kept_for_the_maxima_alone() -> None:
    names = ("max_f", "mean_f", "mae")
    assert needed_curves(names, get_protocol("mean-max")) == ("f",)
    assert needed_curves(names, get_protocol("a2s")) == ("f", "precision", "recall")
    assert needed_curves(names, get_protocol("image-max")) == ()


def test_resizing_follows_the_protocol() -> None:
    soft, binary = torch.tensor([[0.0, 0.5, 1.0]]), torch.tensor([[0.0, 1.0, 1.0]])
    protocol = get_protocol("mean-max")
    assert resize_saliency(binary, (2, 6), protocol).tolist() == [[0, 0, 1, 1, 1, 1]] * 2
    widened = [0, 0.125, 0.375, 0.625, 0.875, 1]
    assert resize_saliency(soft, (2, 6), protocol).tolist() == [widened] * 2
    smooth = resize_saliency(binary, (1, 6), get_protocol("pysod"))
    assert smooth.tolist() == [[0, 0.25, 0.75, 1, 1, 1]]
    assert resize_saliency(soft, (1, 3), protocol) is soft
    assert resize_saliency(soft[None, None], (4, 4), protocol).shape == (1, 1, 4, 4)


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(SodError, match=r"image_max: unknown protocol\. Did you mean 'image-max'\?"):
        get_protocol("image_max")


def test_a_protocol_describes_all_its_choices() -> None:
    line = get_protocol("image-max").describe(refined=True)
    for word in ("mask = 255", "β² = 0.09", "255 thresholds", "multi", "cut at 0.5", "refined"):
        assert word in line
    single = dataclasses.replace(get_protocol("mean-max"), components="single")
    assert "single component;" in single.describe()
    assert "soft map; multi components; unrefined" in get_protocol("image-max").describe()


def test_impossible_inputs_are_refused() -> None:
    protocol = get_protocol("mean-max")
    with pytest.raises(ValueError, match="same non-empty shape"):
        measure(torch.zeros(2, 3), torch.zeros(3, 2, dtype=torch.uint8), protocol)
    with pytest.raises(ValueError, match="not finite"):
        measure(torch.full((2, 2), torch.nan), torch.zeros(2, 2, dtype=torch.uint8), protocol)
    over = measure(torch.full((2, 2), 1 + 1e-6), torch.full((2, 2), 255), protocol)
    assert over.values[0] == 0
