"""Published figures, as literal numbers in the order in which their sources print them."""

import pytest

from sod.evaluation.published import PUBLISHED, PUBLISHED_CORLOC, UNSTATED, published_rows
from sod.metrics import MEASURES, PROTOCOLS

SETS = ("DUT-OMRON", "DUTS-TE", "ECSSD")
HEADS = ("accuracy", "iou", "max_f")
Figures = tuple[tuple[float | None, ...], ...]


def figures(method: str, refine: str, protocol: str, source: str) -> dict[str, dict[str, float]]:
    """Return the measures of one method by dataset."""
    return {
        entry.dataset: entry.measures
        for entry in PUBLISHED
        if (entry.method, entry.refine, entry.protocol) == (method, refine, protocol)
        and source in entry.source
    }


def expected(rows: Figures, heads: tuple[str, ...], sets: tuple[str, ...]) -> object:
    return {
        name: {head: value for head, value in zip(heads, row, strict=True) if value is not None}
        for name, row in zip(sets, rows, strict=True)
        if any(value is not None for value in row)
    }


# FOUND (CVPR 2023) table 2, and the slides of PEEKABOO (BMVC 2024): accuracy, IoU, max-F.
# The max-F of "FOUND multi" on DUT-OMRON and DUTS-TE is that of binary masks, unlike ECSSD's.
SALIENCY: dict[tuple[str, str, str, str], Figures] = {
    ("LOST S/16", "none", "mean-max", "FOUND"): (
        (0.797, 0.410, 0.473), (0.871, 0.518, 0.611), (0.895, 0.654, 0.758)),
    ("LOST S/16", "bilateral", "mean-max", "FOUND"): (
        (0.818, 0.489, 0.578), (0.887, 0.572, 0.697), (0.916, 0.723, 0.837)),
    ("TokenCut S/16", "none", "mean-max", "FOUND"): (
        (0.880, 0.533, 0.600), (0.903, 0.576, 0.672), (0.918, 0.712, 0.803)),
    ("TokenCut S/16", "bilateral", "mean-max", "FOUND"): (
        (0.897, 0.618, 0.697), (0.914, 0.624, 0.755), (0.934, 0.772, 0.874)),
    ("FOUND single", "none", "image-max-single", "FOUND"): (
        (0.920, 0.586, 0.683), (0.939, 0.637, 0.733), (0.912, 0.793, 0.946)),
    ("FOUND single", "bilateral", "image-max-single", "FOUND"): (
        (0.921, 0.608, 0.706), (0.941, 0.654, 0.760), (0.949, 0.805, 0.934)),
    ("FOUND multi", "none", "image-max", "FOUND"): (
        (0.912, 0.578, None), (0.938, 0.645, None), (0.949, 0.807, 0.955)),
    ("FOUND multi", "none", UNSTATED, "FOUND"): (
        (None, None, 0.663), (None, None, 0.715), (None, None, None)),
    ("FOUND multi", "bilateral", "image-max", "FOUND"): (
        (0.922, 0.613, 0.708), (0.942, 0.663, 0.763), (0.951, 0.813, 0.935)),
    ("FOUND (re-run)", "none", "image-max", "PEEKABOO"): (
        (0.907, 0.571, 0.799), (0.935, 0.637, 0.852), (0.949, 0.806, 0.951)),
    ("FOUND (re-run)", "bilateral", "image-max", "PEEKABOO"): (
        (0.917, 0.609, 0.691), (0.940, 0.661, 0.750), (0.952, 0.817, 0.930)),
    ("PEEKABOO", "none", "image-max", "PEEKABOO"): (
        (0.915, 0.575, 0.804), (0.939, 0.643, 0.860), (0.946, 0.798, 0.953)),
    ("PEEKABOO", "bilateral", "image-max", "PEEKABOO"): (
        (0.924, 0.612, 0.714), (0.944, 0.663, 0.774), (0.949, 0.806, 0.937)),
    ("SelfMask", "none", UNSTATED, "PEEKABOO"): (
        (0.901, 0.582, 0.680), (0.923, 0.626, 0.750), (0.944, 0.781, 0.889)),
    ("SelfMask", "bilateral", UNSTATED, "PEEKABOO"): (
        (0.919, 0.655, 0.852), (0.933, 0.660, 0.882), (0.955, 0.818, 0.956)),
    ("WSCUOD", "none", UNSTATED, "PEEKABOO"): (
        (0.897, 0.536, 0.644), (0.917, 0.599, 0.731), (0.922, 0.727, 0.854)),
    ("WSCUOD", "bilateral", UNSTATED, "PEEKABOO"): (
        (0.909, 0.585, 0.683), (0.925, 0.630, 0.764), (0.928, 0.742, 0.896)),
    ("DSS S/16", "none", UNSTATED, "PEEKABOO"): (
        (0.808, 0.428, 0.553), (0.841, 0.471, 0.621), (0.864, 0.645, 0.785)),
    ("DeepCut", "none", UNSTATED, "PEEKABOO"): (
        (None, None, None), (None, 0.595, None), (None, 0.746, None)),
    ("BigBiGAN masks", "none", UNSTATED, "PEEKABOO"): (
        (0.883, 0.509, None), (0.893, 0.528, None), (0.915, 0.713, None)),
}  # fmt: skip

# A2S-v2 and A2S-v3: MAE, adaptive F, adaptive E.
ADAPTIVE: dict[str, Figures] = {
    "A2S-v3": ((0.062, 0.759, 0.868), (0.047, 0.816, 0.906), (0.038, 0.923, 0.951)),
    "A2S-v2 (TSD)": ((0.061, 0.745, 0.863), (0.047, 0.810, 0.901), (0.044, 0.916, 0.938)),
    "STC": ((0.068, 0.753, 0.852), (0.052, 0.809, 0.891), (0.050, 0.903, 0.935)),
    "SelfMask": ((0.078, 0.668, 0.815), (0.063, 0.714, 0.848), (0.058, 0.856, 0.920)),
}

# UCOS-DA (ICCVW 2023).
UCOS: dict[tuple[str, str], dict[str, dict[str, float]]] = {
    ("TokenCut S/16", "none"): {
        "ECSSD": {"mean_f": 0.801, "weighted_f": 0.785, "s_measure": 0.807, "max_e": 0.886,
                  "mae": 0.082},
        "HKU-IS": {"iou": 0.608, "accuracy": 0.916, "max_f": 0.741, "mae": 0.084},
    },
    ("TokenCut S/16", "bilateral"): {
        "ECSSD": {"mean_f": 0.714, "weighted_f": 0.630, "mae": 0.129, "s_measure": 0.832},
        "HKU-IS": {"iou": 0.673, "accuracy": 0.936, "max_f": 0.832, "mae": 0.123},
    },
    ("FOUND", "none"): {
        "ECSSD": {"max_f": 0.896, "mean_f": 0.894, "weighted_f": 0.877, "s_measure": 0.875,
                  "max_e": 0.932, "mae": 0.052, "iou": 0.805, "accuracy": 0.948},
        "HKU-IS": {"iou": 0.787, "accuracy": 0.958, "max_f": 0.877, "mae": 0.042},
    },
    ("UCOS-DA", "none"): {
        "ECSSD": {"iou": 0.816, "accuracy": 0.951, "max_f": 0.891, "weighted_f": 0.876,
                  "s_measure": 0.878, "mae": 0.049},
    },
}  # fmt: skip

# CorLoc on VOC07, VOC12 and COCO20k, per cent.
CORLOC = {
    "TokenCut S/16": (68.8, 72.1, 58.8),
    "TokenCut S/8": (67.3, 71.6, 60.7),
    "TokenCut B/16": (68.8, 72.4, 59.0),
    "TokenCut S/16 + CAD": (71.4, 75.3, 62.6),
    "LOST S/16": (61.9, 64.0, 50.7),
    "LOST S/8": (55.5, 57.0, 49.5),
    "LOST + CAD": (65.7, 70.4, 57.5),
    "DSS": (62.7, 66.4, 52.2),
    "FreeSOLO": (44.0, 49.7, 35.2),
    "SelfMask": (72.3, 75.3, 62.7),
    "FOUND single": (72.5, 76.1, 62.9),
    "PEEKABOO": (72.7, 75.9, 64.0),
}


@pytest.mark.parametrize("key", SALIENCY, ids=lambda key: " ".join(key))
def test_saliency_figures(key: tuple[str, str, str, str]) -> None:
    found = {name: measures for name, measures in figures(*key).items() if measures}
    assert found == expected(SALIENCY[key], HEADS, SETS)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_adaptive_figures(method: str) -> None:
    found = figures(method, "none", "a2s", "A2S")
    assert found == expected(ADAPTIVE[method], ("mae", "adaptive_f", "adaptive_e"), SETS)


@pytest.mark.parametrize("key", UCOS, ids=lambda key: " ".join(key))
def test_figures_under_pysod(key: tuple[str, str]) -> None:
    assert figures(*key, "pysod", "UCOS-DA") == UCOS[key]


def test_corloc_figures() -> None:
    found: dict[str, dict[str, float]] = {}
    for entry in PUBLISHED_CORLOC:
        found.setdefault(entry.method, {})[entry.dataset] = round(100 * entry.measures["corloc"], 5)
    sets = ("VOC07-trainval", "VOC12-trainval", "COCO20k")
    assert found == {name: dict(zip(sets, row, strict=True)) for name, row in CORLOC.items()}


def test_every_published_row_is_among_the_figures_above() -> None:
    pinned = {(method, refine, protocol) for method, refine, protocol, _ in SALIENCY}
    pinned |= {(method, "none", "a2s") for method in ADAPTIVE}
    pinned |= {(method, refine, "pysod") for method, refine in UCOS}
    assert {(entry.method, entry.refine, entry.protocol) for entry in PUBLISHED} == pinned
    assert {entry.protocol for entry in PUBLISHED} <= {*PROTOCOLS, UNSTATED}
    for entry in (*PUBLISHED, *PUBLISHED_CORLOC):
        assert set(entry.measures) <= {*MEASURES, "corloc"}
        assert entry.source


def test_rows_of_one_protocol_hold_its_figures_only() -> None:
    rows = published_rows(["ECSSD", "DUTS-TE", "DUT-OMRON"], "image-max")
    assert {row["method"] for row in rows} == {"FOUND multi", "FOUND (re-run)", "PEEKABOO"}
    other = published_rows(["DUTS-TE"], UNSTATED)
    found = [row for row in other if row["method"] == "FOUND multi"]
    assert [(row["max_f"], row.get("iou")) for row in found] == [(0.715, None)]
    assert all(len(row) > 6 for row in published_rows(["ECSSD", "DUTS-TE", "DUT-OMRON"]))


def test_the_protocol_names_only_those_who_use_its_mask_rule() -> None:
    assert PROTOCOLS["image-max"].mask_rule == "255"
    assert PROTOCOLS["image-max"].users == "FOUND, PEEKABOO"
