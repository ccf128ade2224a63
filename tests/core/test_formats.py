"""Format numbers: files of later layouts are refused by name, older ones load."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import sod
from sod.core.errors import SodError
from sod.core.formats import check_format, stamp
from sod.labels.store import LabelStore
from sod.methods.generations.progress import entries_of_run
from sod.methods.generations.records import check_record
from sod.prediction.resuming import SETTINGS, begin
from sod.tuning.choice import Tuned, tuned_of, write_tuned

LATER = {"format": 2, "sod_version": "9.1"}
REFUSED = "has format 2 and was written by sod 9.1; this is sod .*, which reads formats up to 1"


@pytest.mark.parametrize("content", [{}, {"format": 0}, {"format": 1}, stamp(1)])
def test_earlier_and_present_formats_pass(content: dict[str, Any]) -> None:
    check_format(content, 1, "file")


@pytest.mark.parametrize("number", [2, -1, True, "1", None, 1.0, "a\nb"])
def test_later_formats_and_no_numbers_are_refused_in_one_line(number: object) -> None:
    with pytest.raises(SodError, match=r"^file: has format ") as caught:
        check_format({"format": number}, 1, "file")
    assert "\n" not in str(caught.value)


def test_the_record_of_generations(tmp_path: Path) -> None:
    file, configuration = tmp_path / "pipeline.json", {"seed": 0, "sizes": (1, 2)}
    check_record(tmp_path, configuration)
    assert json.loads(file.read_text()) == stamp(1) | {"seed": 0, "sizes": [1, 2]}
    check_record(tmp_path, configuration)
    file.write_text(json.dumps(configuration, indent=2))  # as it was before there was a number
    check_record(tmp_path, configuration)
    with pytest.raises(SodError, match="holds the generations of another configuration"):
        check_record(tmp_path, {"seed": 1, "sizes": (1, 2)})
    file.write_text(json.dumps(LATER | configuration))
    with pytest.raises(SodError, match=f"pipeline.json: {REFUSED}"):
        check_record(tmp_path, configuration)
    (tmp_path / "gen0").mkdir()
    (tmp_path / "gen0" / "teachers.json").write_text("{}")  # the record speaks for it
    with pytest.raises(SodError, match=f"pipeline.json: {REFUSED}"):
        entries_of_run(str(tmp_path))


def test_a_tuned_descriptor(tmp_path: Path) -> None:
    write_tuned(Tuned(tau=0.3), "why", tmp_path / "tuned.yaml")
    content = yaml.safe_load((tmp_path / "tuned.yaml").read_text())
    assert content["tuned"]["format"] == 1
    assert content["tuned"]["sod_version"] == sod.__version__
    assert tuned_of(content, "tuned.yaml") == Tuned(tau=0.3)
    assert tuned_of({"tuned": {"backbone": {}, "tau": 0.3}}, "old.yaml") == Tuned(tau=0.3)
    with pytest.raises(SodError, match=f"tuned.yaml: {REFUSED}"):
        tuned_of({"tuned": content["tuned"] | LATER}, "tuned.yaml")


def test_the_settings_of_predictions(tmp_path: Path) -> None:
    begin(tmp_path, {"refine": "none"}, resume=False)
    begin(tmp_path, {"refine": "none"}, resume=True)
    (tmp_path / SETTINGS).write_text(json.dumps({"refine": "none"}))
    begin(tmp_path, {"refine": "none"}, resume=True)
    (tmp_path / SETTINGS).write_text(json.dumps({"refine": "none"} | LATER))
    with pytest.raises(SodError, match=REFUSED):
        begin(tmp_path, {"refine": "none"}, resume=True)


def test_a_store(tmp_path: Path) -> None:
    row = {"name": "a", "source": "x", "score": 0.5, "area": 0.1, "sha256": "", "image_sha256": ""}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    assert list(LabelStore(tmp_path).labels) == ["a"]
    (tmp_path / "source-x.json").write_text(json.dumps({"method": "TokenCut"} | LATER))
    with pytest.raises(SodError, match=f"source-x.json: {REFUSED}"):
        LabelStore(tmp_path)
