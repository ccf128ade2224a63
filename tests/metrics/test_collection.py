import pickle

import numpy as np
import pytest
import torch
from helpers.metric_cases import blob, maps
from torch import Tensor

from sod.core.errors import SodError
from sod.metrics import MEASURES, PROTOCOLS, SaliencyMetrics
from sod.metrics.alignment import e_measure
from sod.metrics.thresholds import Counts, accuracy, balanced_error, dice, iou


def images() -> list[tuple[Tensor, Tensor]]:
    pairs = []
    for width in (20, 33):
        mask = blob((25, width), (0.5, 0.4), 0.3)
        for picture in maps(mask, np.random.default_rng(width)).values():
            pairs.append((torch.from_numpy(picture).float() / 255, torch.from_numpy(mask)))
    return pairs


def filled(protocol: str, pairs: list[tuple[Tensor, Tensor]]) -> SaliencyMetrics:
    metrics = SaliencyMetrics(protocol)
    for saliency, mask in pairs:
        metrics.update(saliency, mask)
    return metrics


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_order_does_not_matter(protocol: str) -> None:
    pairs = images()
    expected = filled(protocol, pairs).compute()
    assert tuple(expected) == MEASURES
    assert filled(protocol, pairs[::-1]).compute() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sums_of_parts_are_the_sum_of_the_whole(protocol: str) -> None:
    pairs = images()
    whole, parts = filled(protocol, pairs), [filled(protocol, pairs[k::3]) for k in range(3)]
    total = SaliencyMetrics(protocol)
    for part in parts:
        total.sums += part.sums
        total.curve_sums += part.curve_sums
        total.images += part.images
    assert int(total.images) == len(pairs)
    total.update(*pairs[0])
    whole.update(*pairs[0])
    assert total.compute() == pytest.approx(whole.compute(), abs=1e-12)


def test_update_returns_the_images_own_row() -> None:
    metrics = SaliencyMetrics("mean-max")
    for saliency, mask in images():
        row = metrics.update(saliency, mask)
        assert row == filled("mean-max", [(saliency, mask)]).compute()
    assert metrics(saliency, mask) == row


def test_what_was_measured_elsewhere_is_added_as_an_update_is() -> None:
    pairs = images()[:3]
    whole, parts = filled("mean-max", pairs), SaliencyMetrics("mean-max")
    for pair in pairs:
        assert parts.add(parts.measured(*pair)) == filled("mean-max", [pair]).compute()
    assert parts.compute() == whole.compute()
    assert parts.update_count == whole.update_count == len(pairs)


def test_the_state_does_not_grow_and_is_in_64_bits() -> None:
    metrics = SaliencyMetrics("pysod")
    before = {name: value.shape for name, value in metrics.metric_state.items()}
    for saliency, mask in images():
        metrics.update(saliency, mask)
    assert {name: value.shape for name, value in metrics.metric_state.items()} == before
    metrics.half()
    assert metrics.sums.dtype == metrics.curve_sums.dtype == torch.float64


def test_pickling_and_reset() -> None:
    metrics = filled("a2s", images()[:5])
    copied = pickle.loads(pickle.dumps(metrics))
    assert copied.compute() == metrics.compute()
    assert copied.update(*images()[7]) == filled("a2s", images()[7:8]).compute()
    assert copied.compute() == filled("a2s", [*images()[:5], images()[7]]).compute()
    copied.reset()
    with (
        pytest.raises(SodError, match="no image was measured"),
        pytest.warns(UserWarning, match="before"),
    ):
        copied.compute()


def test_only_the_measures_asked_for_in_their_order() -> None:
    names = ("dice", "ber", "iou", "overall_dice")
    metrics = SaliencyMetrics("mean-max", measures=names)
    mask = torch.tensor([[255, 255, 0, 0]], dtype=torch.uint8)
    row = metrics.update(torch.tensor([[1.0, 0.0, 1.0, 0.0]]), mask)
    assert tuple(row) == names
    assert (row["dice"], row["ber"], row["iou"]) == (0.5, 0.5, pytest.approx(1 / 3))
    metrics.update(torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0]]), torch.ones(1, 5).byte())
    whole = metrics.compute()
    assert whole["dice"] == pytest.approx((0.5 + 0.75) / 2)
    assert whole["overall_dice"] == pytest.approx(2 * (1 + 3) / (2 + 2 + 3 + 5))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_gpu_measures_what_the_cpu_does(protocol: str) -> None:
    pairs, metrics = images(), SaliencyMetrics(protocol).to("cuda")
    for saliency, mask in pairs:
        metrics.update(saliency.to("cuda"), mask.to("cuda"))
    assert metrics.compute() == pytest.approx(filled(protocol, pairs).compute(), abs=1e-6)


def test_counts_of_images_of_several_sizes_form_a_batch() -> None:
    counts = [
        Counts(*torch.tensor(x, dtype=torch.float64)[:, None])
        for x in ((3, 4, 6, 12), (8, 8, 8, 9))
    ]
    batch = Counts(*(torch.stack(field) for field in zip(*counts, strict=True)))
    for function in (iou, accuracy, dice, balanced_error, e_measure):
        single = [function(part) for part in counts]
        torch.testing.assert_close(function(batch), torch.stack(single))
    assert iou(batch)[:, 0].tolist() == pytest.approx([3 / 7, 1])
    nothing = Counts(*torch.zeros(4, 1))
    assert [iou(nothing).item(), iou(nothing, 1.0).item()] == [0, 1]
    assert balanced_error(batch)[:, 0].tolist() == pytest.approx([1 - (3 / 6 + 5 / 6) / 2, 0])
