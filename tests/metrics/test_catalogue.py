import sys

import pytest
import torch

from sod.core.errors import SodError
from sod.metrics import CATALOGUE, GROUPS, MEASURES, get_protocol, measure, select_measures


def test_all_names_every_measure_once() -> None:
    assert len(GROUPS["all"]) == len(set(GROUPS["all"])) == len(CATALOGUE)
    assert select_measures("default") == MEASURES
    headings = [measure.heading for measure in CATALOGUE.values()]
    assert len(set(headings)) == len(headings)


def test_names_and_groups_may_be_mixed_and_keep_their_order() -> None:
    assert select_measures(" hce,boundary, mae") == (
        *("hce", "boundary_iou", "boundary_f", "msiou", "adaptive_msiou", "mae"),
    )


def test_small_values_are_good_for_errors_only() -> None:
    lower = {measure.family for measure in CATALOGUE.values() if measure.lower_is_better}
    assert lower == {"mae", "si_mae", "hce", "ber", "fpr"}


@pytest.mark.parametrize(
    ("text", "message"),
    [("boundary_uio", "Did you mean 'boundary_iou'"), (" , ", "names none")],
)
def test_mistakes_name_the_nearest_measure(text: str, message: str) -> None:
    with pytest.raises(SodError, match=message):
        select_measures(text)


def test_an_optional_library_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.morphology", None)
    half = torch.eye(9)
    with pytest.raises(SodError, match=r"hce needs skimage: pip install 'sod\[measures\]'"):
        measure(half, half > 0.5, get_protocol("mean-max"), names=("hce",))
