from pathlib import Path

import pytest

from sod.core.errors import SodError
from sod.evaluation.attributes.scores import attribute_figure, attribute_table, class_scores

ROWS = [{"name": f"{k}", "size": 0.05 * k, "objects": 1, "border": 0} for k in range(9)]
SCORES = {"A": {f"{k}": k / 10 for k in range(9)}, "B": {f"{k}": 0.5 for k in range(8)}}


def test_means_of_each_class(tmp_path: Path) -> None:
    found = class_scores(ROWS, SCORES, None)
    sizes = {score.label: score for score in found if score.attribute == "size"}
    assert [score.images for score in sizes.values()] == [1, 1, 4, 3]
    assert sizes["> 30 %"].means["A"] == pytest.approx((0.6 + 0.7 + 0.8) / 3)
    assert sizes["> 30 %"].means["B"] == pytest.approx(0.5)
    assert "| touches the border | no | 9 | 0.400 | 0.500 |" in attribute_table("D", found, "iou")
    figure = attribute_figure({"D": found}, "iou")
    assert figure.axes[0].get_title() == "D: object size, of the image"
    assert len(figure.axes[0].lines) == 2


def test_the_users_words_are_classes_and_many_numbers_are_thirds(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    lines = [f"{k},{'night' if k % 2 else 'day'},{k * k}" for k in range(9)]
    file.write_text("image,light,blur\n" + "\n".join(lines) + "\n99,day,1\n")
    found = [s for s in class_scores(ROWS, SCORES, file) if s.attribute in {"light", "blur"}]
    light = [(score.label, score.images) for score in found if score.attribute == "light"]
    assert light == [("day", 5), ("night", 4)]
    assert [s.images for s in found[2:]] == [3, 3, 3]
    assert found[0].means["A"] == pytest.approx(0.4)


def test_a_file_without_names_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text("light\nday\n")
    with pytest.raises(SodError, match="expected a column 'name'"):
        class_scores(ROWS, SCORES, file)
