"""The configuration of a run, given to other commands than `fit`."""

from pathlib import Path

import yaml

from sod.cli.runs import without_training
from sod.core.files import read_yaml

RUN = {
    "out": "run",
    "save_every": 5,
    "grids_every": 50,
    "patience": None,
    "overwrite": False,
    "strict": False,
    "ckpt": None,
    "best": "val/score",
    "model": {"class_path": "CentreBox"},
    "data": {"train": "photos"},
    "trainer": {"max_steps": 5},
}


def test_the_options_of_fit_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(RUN))
    for words in (["--config", str(path)], [f"--config={path}"]):
        assert without_training("fit", words) == words
        copy = without_training("evaluate", [*words, "--out", "table"])
        assert copy[-2:] == ["--out", "table"]
        kept = read_yaml(copy[-3].partition("=")[2] or copy[-3], "--config")
        assert kept == {key: RUN[key] for key in ("model", "data", "trainer")}


def test_another_config_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"model": RUN["model"], "save_every": 3}))
    assert without_training("evaluate", ["--config", str(path)]) == ["--config", str(path)]
