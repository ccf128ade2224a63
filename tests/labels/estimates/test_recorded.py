"""Estimates that a run keeps."""

import json
from pathlib import Path

import pytest

from sod.core.errors import SodError
from sod.data.samples import Sample
from sod.labels.estimates.recorded import key_of, recorded
from sod.labels.selection import Candidate
from sod.labels.store import Label, LabelStore


def given() -> list[Candidate]:
    return [Candidate("a", 0.5, 0.2, estimate=0.1), Candidate("b", 0.5, 0.2, estimate=1 / 3)]


def refused() -> list[Candidate]:
    pytest.fail("computed again")


def test_estimates_are_computed_once_for_a_key(tmp_path: Path) -> None:
    path = tmp_path / "estimates.json"
    scores = {"a": 0.1, "b": 1 / 3}
    assert recorded(path, "key", given) == scores
    assert recorded(path, "key", refused) == scores
    assert recorded(path, "other", lambda: given()[:1]) == {"a": 0.1}
    assert json.loads(path.read_text())["key"] == "other"


def test_other_processes_read_what_the_first_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "estimates.json"
    recorded(path, "key", given)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert recorded(path, "of this device", refused) == {"a": 0.1, "b": 1 / 3}


@pytest.mark.parametrize(
    "content", ["[]", '{"key": "key"}', '{"key": "key", "scores": {"a": "high"}}', "no JSON"]
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "estimates.json"
    path.write_text(content)
    with pytest.raises(SodError, match=r"estimates\.json: is damaged: delete the file"):
        recorded(path, "key", refused)
    path.write_text('{"format": 99}')
    with pytest.raises(SodError, match="format 99"):
        recorded(path, "key", refused)


def test_the_key_depends_on_images_labels_and_settings(tmp_path: Path) -> None:
    def key(sha256: str, image: str, seed: int) -> str:
        store = LabelStore(tmp_path)
        store.labels = {"a": Label("a", "source", 0.5, 0.2, sha256, image)}
        return key_of([Sample("a", tmp_path / "a.png")], store, seed)

    keys = {key("1", "2", 0), key("0", "2", 0), key("1", "0", 0), key("1", "2", 1)}
    assert len(keys) == 4
    assert key("1", "2", 0) in keys
