import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sod.cli import main
from sod.data.synthetic import write_scenes
from sod.engine.proposals import map_proposals, unions
from sod.methods.centre_box import CentreBox
from sod.prediction.answers import choose_answers
from sod.refinement.masks import mask_iou

OPTIONS = ["--model.backbone.name=descriptor", "--model.backbone.weights=null", "--model.tau=0.3"]


def box(top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    mask = torch.zeros(40, 40)
    mask[top:bottom, left:right] = 1
    return mask


def test_the_own_map_comes_first_and_near_duplicates_are_merged() -> None:
    own, same = box(10, 10, 20, 20), box(10, 10, 20, 21)
    other = box(10, 22, 20, 32)
    answers = choose_answers([own, same, other], 3, merge=0.9)
    assert torch.equal(answers.maps, torch.stack([own, other]))
    assert answers.scores.sum() == pytest.approx(1)
    assert answers.scores[0] > answers.scores[1]  # the duplicate agrees with the first
    assert len(choose_answers([own, same, other], 3, merge=0.95).maps) == 3
    assert len(choose_answers([own, same, other], 1).maps) == 1


def test_whole_objects_inside_the_image_are_preferred() -> None:
    own, inside = box(2, 2, 6, 6), box(14, 14, 26, 26)
    rim = box(0, 0, 40, 40) - box(3, 3, 37, 37)
    scattered = torch.zeros(40, 40)
    scattered[10:30:4, 10:30:4] = 1
    answers = choose_answers([own, rim, scattered, inside], 2)
    assert torch.equal(answers.maps[1], inside)


def test_an_empty_map_is_an_answer_and_other_empty_or_full_proposals_are_not() -> None:
    empty = torch.zeros(40, 40)
    answers = choose_answers([empty, empty, torch.ones(40, 40), box(10, 10, 20, 20)], 3)
    assert [float(each.sum()) for each in answers.maps] == [0, 100]
    assert torch.isfinite(answers.scores).all()


def test_a_map_proposes_other_thresholds_and_its_parts() -> None:
    saliency = 0.3 * box(0, 0, 10, 10) + 0.9 * box(20, 20, 30, 30) + 0.6 * box(5, 25, 10, 35)
    masks = [each > 0.5 for each in map_proposals(saliency)]
    wanted = {
        "itself": saliency > 0.5,
        "at 0.2": saliency > 0.2,
        "at 0.65": saliency > 0.65,
        "part": box(5, 25, 10, 35) > 0,
    }
    for name, mask in wanted.items():
        assert any(torch.equal(mask, each) for each in masks), name
    assert torch.equal(masks[0], wanted["itself"])
    three = [box(i, 0, i + 1, 5) for i in range(3)]
    assert sorted(float(each.sum()) for each in unions(three)) == [10, 10, 10, 15]


def test_predict_writes_answers_scores_overlay_and_page(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", count=2, size=96, seed=3)
    source, out = tmp_path / "scenes/images", tmp_path / "out"
    command = ["predict", "--model=TokenCut", *OPTIONS, "--source", str(source), "--out", str(out)]
    assert main([*command, "--output=map,answers", "--answers=3", "--data.num_workers=0"]) == 0
    for name in ("0000", "0001"):
        folder = out / "answers" / name
        rows = json.loads((folder / "answers.json").read_text())
        assert 1 <= len(rows) <= 3
        first = np.asarray(Image.open(folder / rows[0]["file"]))
        assert (first == np.asarray(Image.open(out / f"map/{name}.png"))).all()
        overlay = Image.open(folder / "overlay.png")
        assert overlay.size == (len(rows) * 104 - 8, 96)
        assert f'href="{name}/1.png"' in (out / "answers/index.html").read_text()
    assert main([*command, "--output=answers", "--answers=0"]) == 2


def test_evaluate_measures_the_best_of_the_first_answers(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", count=2, size=64, seed=3)
    for mask in (tmp_path / "scenes/masks").iterdir():
        pixels = np.asarray(Image.open(mask)).copy()
        pixels[:10] = 100  # foreground by the protocol's rule, mask > 0
        Image.fromarray(pixels).save(mask)
    command = ["evaluate", "--model=TokenCut", *OPTIONS, "--data.num_workers=0"]
    command += ["--pictures=false", "--resamples=0"]
    command += ["--data.test", str(tmp_path / "scenes"), "--out", str(tmp_path / "out")]
    assert main([*command, "--answers=3"]) == 0
    (means,) = json.loads((tmp_path / "out/answers.json").read_text())
    (row,) = json.loads((tmp_path / "out/metrics.json").read_text())
    assert means["best_iou_1"] == pytest.approx(row["iou"], abs=1e-6)
    assert means["best_iou_3"] >= means["best_iou_1"]
    assert len((tmp_path / "out/answers.csv").read_text().splitlines()) == 3
    assert main([*command, "--answers=3", "--maps", str(tmp_path)]) == 2


def test_several_masks_of_an_image_lie_in_a_folder_of_its_name(tmp_path: Path) -> None:
    images, masks = tmp_path / "set/images", tmp_path / "set/masks"
    left, right = np.zeros((32, 64), np.uint8), np.zeros((32, 64), np.uint8)
    left[8:24, 8:24], right[8:24, 40:56] = 255, 255
    for path, pixels in (
        (images / "a.png", np.dstack([np.maximum(left, right) // 2] * 3)),
        (images / "b.png", np.dstack([left] * 3)),
        (masks / "a/1.png", left),
        (masks / "a/2.png", right),
        (masks / "b.png", left),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    command = ["evaluate", "--model=CentreBox", "--data.num_workers=0", "--answers=3"]
    command += ["--pictures=false", "--resamples=0", "--data.test", str(tmp_path / "set")]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out/answers.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    box = CentreBox().saliency(torch.zeros(1, 3, 32, 64))[0, 0] > 0.5
    ious = [float(mask_iou(box, torch.from_numpy(mask) > 0)) for mask in (left, right)]
    assert float(rows["a"]["best_iou_1"]) == pytest.approx(sum(ious) / 2)
    assert float(rows["b"]["best_iou_1"]) == pytest.approx(ious[0])
    assert main(["data", "check", "--data.name", str(tmp_path / "set")]) == 0
    Image.fromarray(right[:, 1:]).save(masks / "a/2.png")
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert main(["data", "check", "--data.name", str(tmp_path / "set")]) == 1
