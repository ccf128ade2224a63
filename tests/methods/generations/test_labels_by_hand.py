"""What generations teach: labels, figures and selections of three images, computed by hand.

Each image has a core of 4 x 4 pixels in a ring, 8 x 8 in all, so that a map is two numbers, (core,
ring), with the weights 1 : 3. The maps of the three members are the colour channels of the image:

=====  ===========  ===========  ===========  =====================================
image  red          green        blue         IoU of red-green, red-blue, green-blue
=====  ===========  ===========  ===========  =====================================
a      (1.0, 0.0)   (1.0, 0.0)   (0.0, 1.0)   1, 0, 0
b      (1.0, 0.0)   (0.6, 0.0)   (0.2, 0.0)   0.6, 0.2, 1/3
c      (0.2, 0.8)   (0.2, 0.8)   (0.2, 0.0)   1, 0.2/2.6 = 1/13, 1/13
=====  ===========  ===========  ===========  =====================================
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor

from sod.data.datamodule import SaliencyData
from sod.data.dataset import Batch
from sod.data.transforms import Augmentation
from sod.engine.method import LossOutput
from sod.engine.trainer import FitOptions
from sod.engine.training import Training
from sod.labels.estimates.grids import Grids
from sod.labels.selection import Score, SelectionConfig
from sod.methods.generations.ensemble import Generations
from sod.methods.generations.pipeline import Pipeline
from sod.methods.generations.quality import Thumbnails
from sod.methods.generations.students import StudentConfig
from sod.methods.student import Student, StudentNetwork
from sod.nn.backbones.build import BackboneConfig
from sod.nn.decoders.quality import QualityConfig, QualityNetwork

pytestmark = pytest.mark.filterwarnings("ignore")  # of Lightning, on a training of one step

MAPS = {
    "a": ((1.0, 0.0), (1.0, 0.0), (0.0, 1.0)),
    "b": ((1.0, 0.0), (0.6, 0.0), (0.2, 0.0)),
    "c": ((0.2, 0.8), (0.2, 0.8), (0.2, 0.0)),
}
STUDENTS = ["red", "green", "blue"]
# Scores of the maps by the quality network, and of the labels.
QUALITY = torch.tensor([[0.9, 0.6, 0.3], [0.5, 1.0, 0.5], [0.2, 0.2, 0.7]])
LABEL_QUALITY = torch.tensor([[0.7], [0.4], [0.1]])

# Agreement: the mean IoU with the two others. Its mean over the members is that of the label.
AGREEMENT = {"a": (0.5 + 0.5 + 0) / 3, "b": (0.4 + 7 / 15 + 4 / 15) / 3, "c": 15 / 13 / 3}
# Labels of the first teachers: weights are squared agreements, those of a (at least 0.001 each)
# 1/4 : 1/4 : 10^-6, those of b 0.16 : 0.217778 : 0.071111, and those of c 49 : 49 : 1. Hence
# b: (0.16 + 0.6 x 0.217778 + 0.2 x 0.071111) / 0.448889, and c: 98/99 x 0.8 in the ring.
FIRST = {"a": (1.0, 0.0), "b": (0.679208, 0.0), "c": (0.2, 0.791919)}
# Labels of the students: weights are squared qualities, 81 : 36 : 9, 1 : 4 : 1 and 4 : 4 : 49.
COMBINED = {"a": (117 / 126, 9 / 126), "b": (0.6, 0.0), "c": (0.2, 0.8 * 8 / 57)}

THIRDS = SelectionConfig(keep=1 / 3, later=2 / 3, least=1)

Rows = dict[str, dict[str, Any]]
Taught = tuple[str, dict[str, tuple[int, int]], dict[str, float]]


def painted(core: float, ring: float) -> Tensor:
    """Return a map ``[8, 8]`` of two values."""
    saliency = torch.full((8, 8), ring)
    saliency[2:6, 2:6] = core
    return saliency


def two_levels(mask: np.ndarray | Tensor) -> tuple[int, int]:
    """Return the levels of core and ring of a mask of 8 bits, which are constant."""
    levels = torch.tensor(np.asarray(mask)).int()
    core, ring = int(levels[4, 4]), int(levels[0, 0])
    assert torch.equal(levels, painted(core, ring).int())
    return core, ring


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name, maps in MAPS.items():
        pixels = torch.stack([painted(*pair) for pair in maps], -1) * 255
        Image.fromarray(pixels.round().byte().numpy()).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def taught(monkeypatch: pytest.MonkeyPatch) -> list[Taught]:
    """Let students return a colour channel; record name, masks and weights of their training."""
    record: list[Taught] = []

    def loss(self: Student, batch: Batch) -> LossOutput:
        names = [sample.name for sample in batch["samples"]]
        masks = [np.asarray(mask) for mask in batch["masks"]]
        read = dict(zip(names, map(two_levels, masks), strict=True))
        record.append((STUDENTS[int(self.iou)], read, self.label_weights))
        return LossOutput(sum((p.sum() * 0 for p in self.parameters()), torch.zeros(())))

    def scores(network: QualityNetwork, thumbnails: Thumbnails) -> Tensor:
        return QUALITY if thumbnails.maps.shape[1] == 3 else LABEL_QUALITY

    monkeypatch.setattr(Student, "loss", loss)
    monkeypatch.setattr(Student, "saliency", channel)
    monkeypatch.setattr("sod.methods.generations.labelling.quality_scores", scores)
    return record


def channel(self: Student, images: Tensor) -> Tensor:
    number = int(self.iou)
    return images[:, number : number + 1]


def build_method(**changes: Any) -> Generations:  # noqa: ANN401
    network = {"kind": "unet", "width": 4, "size": 32}
    method = Generations(
        students=[
            StudentConfig(name, "Student", {"network": network, "iou": float(number)}, max_steps=1)
            for number, name in enumerate(STUDENTS)
        ],
        keep_previous_students=False,
        quality_network=QualityConfig(width=4, size=8, steps=1, batch_size=2),
        **{"selection": THIRDS, "refine": "none", "power": 2.0, "teacher_weight": 0.25, **changes},
    )
    method._teachers = {
        f"teacher{n}": Student(StudentNetwork("unet", 4, 32), iou=float(n)) for n in range(3)
    }
    return method


def run(method: Generations, images: Path, out: Path) -> None:
    """Train all generations."""

    def build_trainer(callbacks: list[pl.Callback], **options: Any) -> pl.Trainer:  # noqa: ANN401
        quiet = {"enable_progress_bar": False, "enable_model_summary": False}
        own = {"accelerator": "cpu", "max_epochs": -1, "callbacks": callbacks, **quiet}
        return pl.Trainer(**{**own, **options})

    data = SaliencyData(
        train=str(images), size=8, batch_size=3, num_workers=0, seed=0, val_images=0,
        augmentation=Augmentation(crop=1.0, flip=0.0, jitter=0.0),
    )  # fmt: skip
    training = Training(
        name="hand", data=data, build_trainer=build_trainer, options=FitOptions(), out=str(out),
        ckpt=None, save_config=lambda _: None, print_line=lambda _: None,
    )  # fmt: skip
    Pipeline(method, training, seed=0).run()


def test_one_network_is_distilled(images: Path, taught: list[Taught], tmp_path: Path) -> None:
    distilled = replace(build_method().students[1], name="one")
    run(build_method(generations=1, distilled=distilled), images, tmp_path / "run")
    name, masks, scores = taught[-1]  # by the better two thirds, as a second generation would be
    last = labels_of(tmp_path / "run", 1)
    assert (name, masks) == ("green", {image: last[image] for image in "ab"})
    assert scores == pytest.approx({"a": 0.1, "b": 0.61961 * AGREEMENT["b"]}, abs=1e-4)


def labels_of(out: Path, number: int) -> dict[str, tuple[int, int]]:
    folder = out / f"gen{number}" / "labels"
    return {name: two_levels(np.asarray(Image.open(folder / f"{name}.png"))) for name in MAPS}


def rows_of(out: Path, number: int) -> Rows:
    lines = (out / f"gen{number}" / "selection.jsonl").read_text().splitlines()
    return {row.pop("name"): row for row in map(json.loads, lines)}


def test_labels_selection_and_lessons(images: Path, taught: list[Taught], tmp_path: Path) -> None:
    run(build_method(), images, tmp_path / "run")
    assert labels_of(tmp_path / "run", 0) == {"a": (255, 0), "b": (173, 0), "c": (51, 202)}
    # A quarter is the first label, as it is stored: 255/4 + 3/4 x 255 x 117/126 = 241.3 and so on.
    first = {"a": (241, 14), "b": (158, 0), "c": (51, 72)}
    assert labels_of(tmp_path / "run", 1) == labels_of(tmp_path / "run", 2) == first
    one, two = {"a": (255, 0)}, {name: first[name] for name in "ab"}
    lessons = [*[(name, one) for name in STUDENTS], *[(name, two) for name in STUDENTS]]
    assert [(name, masks) for name, masks, _ in taught] == lessons
    # The weights of images are the scores, at least 0.1.
    assert taught[0][2] == pytest.approx({"a": 1 / 3}, abs=1e-4)
    assert taught[5][2] == pytest.approx({"a": 0.1, "b": 0.61961 * AGREEMENT["b"]}, abs=1e-4)
    assert_figures(tmp_path / "run")


def assert_figures(out: Path) -> None:
    """Contrast: the mean above 0.05 minus the border; product: times the agreement, at least 0."""
    first = {
        # c is above 0.05 everywhere: (0.2 + 3 x 0.791919) / 4 - 0.791919.
        "a": row("a", 1.0, 0.25, 0.0, AGREEMENT["a"], 1 / 3, None),
        "b": row("b", FIRST["b"][0], 0.25, 0.0, AGREEMENT["b"], 0.25659,
                 "product 0.257 is not among the best 1"),
        "c": row("c", -0.14798, 0.75, 1.0, AGREEMENT["c"], 0.0, "area 0.750 is above 0.6"),
    }  # fmt: skip
    second = {
        # a is (0.946429, 0.053571), above 0.05 everywhere: 0.276786 - 0.053571.
        "a": row("a", 0.223214, 0.25, 0.0, 0.7, 0.074405, None),
        "b": row("b", 0.619608, 0.25, 0.0, 0.4, 0.234074, None),
        "c": row("c", -0.020563, 0.0, 0.0, 0.1, 0.0, "area 0.000 is below 0.03"),
    }
    for number, expected in ((1, first), (2, second)):
        found = rows_of(out, number)
        assert found.keys() == expected.keys()
        for name, wanted in expected.items():
            assert found[name] == pytest.approx(wanted, abs=1e-4), (number, name)
    report = json.loads((out / "gen1" / "report.json").read_text())
    members = {"red": 0.479487, "green": 0.501709, "blue": 0.114530}
    assert report["agreement"] == pytest.approx(members, abs=1e-4)
    assert report["trained_on"] == 1
    assert report["labels"]["quality"] == pytest.approx(0.4)
    assert report["labels"]["contrast"] == pytest.approx(0.274087, abs=1e-4)


def row(
    name: str, contrast: float, area: float, border: float, quality: float, score: float,
    reason: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Return a line of a selection; the agreement is the same in each generation."""
    known = {"contrast": contrast, "area": area, "border": border, "agreement": AGREEMENT[name]}
    ends = {"quality": quality, "score": score, "selected": reason is None, "reason": reason}
    return known | ends


def test_the_refined_map_has_its_weight_in_labels_of_students_alone(
    images: Path, taught: list[Taught], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refinement that thresholds at one half: 0.4 of it, and 0.6 of the combined map."""

    def threshold(images: Tensor, saliency: Tensor, kind: str) -> Tensor:
        assert kind == "bilateral"
        assert images.shape == (1, 3, 8, 8)
        assert 0.6 <= images.max() <= 1  # of a, b and c: 1, 1 and 0.8
        return (saliency > 0.5).float()

    monkeypatch.setattr("sod.methods.generations.combination.refine", threshold)
    run(build_method(refine="bilateral", refined_weight=0.4, generations=1), images, tmp_path)
    assert labels_of(tmp_path, 0) == {"a": (255, 0), "b": (255, 0), "c": (0, 255)}
    # For instance a: 1/4 + 3/4 x (0.4 + 0.6 x 117/126) = 0.967857, and 3/4 x 0.6 x 9/126.
    assert labels_of(tmp_path, 1) == {"a": (247, 8), "b": (209, 0), "c": (23, 77)}


@pytest.mark.parametrize(
    ("combine", "expected"),
    [
        # The best by quality are red, green and blue. A quarter is the first teachers' best by
        # agreement: red (the first of two), green and red.
        ("best", {"a": (255, 0), "b": (153, 0), "c": (51, 51)}),
        ("mean", {"a": (170, 85), "b": (153, 0), "c": (51, 136)}),
    ],
)
def test_other_combinations(
    images: Path, taught: list[Taught], tmp_path: Path, combine: str, expected: dict[str, Any]
) -> None:
    run(build_method(combine=combine, generations=1), images, tmp_path)
    assert labels_of(tmp_path, 1) == expected


@pytest.mark.usefixtures("taught")
def test_untrained_the_method_combines_its_teachers_by_agreement() -> None:
    maps = [[painted(*pair) for pair in channels] for channels in MAPS.values()]
    images = torch.stack([torch.stack(each) for each in maps])
    expected = torch.stack([painted(*FIRST[name]) for name in MAPS])
    saliency = build_method().saliency(images)
    torch.testing.assert_close(saliency[:, 0], expected, atol=1e-5, rtol=0)


def test_labels_are_ranked_by_estimates(
    images: Path,
    taught: list[Taught],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The estimates themselves are tested where they are made; here b is said to be the best."""
    score: Score = "learned"
    seen: list[tuple[str, int, int]] = []

    def scores(
        grids: Grids, _: object, config: SelectionConfig, seed: int, device: object
    ) -> Tensor:
        assert grids.features.shape[:2] == (3, 28)  # of the descriptor
        seen.append((config.score, seed, [int(mask[40, 40]) for mask in grids.masks][1]))
        return torch.tensor([0.2, 0.9, 0.7])

    monkeypatch.setattr("sod.labels.estimates.estimate.scores_of", scores)
    selection = SelectionConfig(keep=1 / 3, later=1.0, least=1, score=score)
    method = build_method(selection=selection, backbone=BackboneConfig("descriptor", None))
    run(method, images, tmp_path / "run")
    assert seen == [(score, 1, 173), (score, 2, 158)]  # labels of the first and second generation
    rows = rows_of(tmp_path / "run", 1)
    assert {name: row["estimate"] for name, row in rows.items()} == {"a": 0.2, "b": 0.9, "c": 0.7}
    assert rows["a"]["reason"] == f"{score} 0.200 is not among the best 1"
    assert taught[0][1:] == ({"b": (173, 0)}, {"b": 0.9})
