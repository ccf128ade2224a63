"""The files of a comparison of saved maps, made once by one command."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sod.cli import main
from sod.data.synthetic import write_scenes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_scenes(folder / "own", count=6, size=(40, 56), seed=1)
    random = np.random.default_rng(0)
    for name, noise in (("good", 90), ("bad", 160)):
        (folder / name).mkdir()
        for file in sorted((folder / "own" / "masks").iterdir()):
            mask = np.asarray(Image.open(file).convert("L")) * 0.8
            levels = mask + noise * random.random(mask.shape)
            target = folder / name / f"{file.stem}_sal.png"
            Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(target)
    (folder / "bad" / "0003_sal.png").unlink()
    methods = ",".join(f"{name}={folder / name}/*_sal.png" for name in ("good", "bad"))
    words = ["--methods", methods, "--data.test", str(folder / "own"), "--out", str(folder / "out")]
    words += ["--measures", "default,overall_iou", "--resamples", "200", "--against", "good"]
    assert main(["benchmark", *words]) == 1
    return folder


def test_incomplete_sets_are_marked_and_not_ranked(made: Path) -> None:
    rows = json.loads((made / "out" / "metrics.json").read_text())
    assert [(row["method"], row.get("missing")) for row in rows] == [("good", None), ("bad", 1)]
    assert rows[0]["mae_low"] < rows[0]["mae"] < rows[0]["mae_high"]
    text = (made / "out" / "metrics.md").read_text(encoding="utf-8")
    assert "‡ bad has maps of 5 of 6 images of own; not ranked." in text
    assert "**" not in text
    assert r"$^\ddagger$" in (made / "out" / "metrics.tex").read_text(encoding="utf-8")


@pytest.mark.parametrize(("option", "code"), [("--strict", 2), ("--missing=empty", 0)])
def test_incomplete_sets_are_refused_or_scored_as_empty(
    option: str, code: int, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = made / option.strip("-")
    words = ["benchmark", "--methods", f"bad={made / 'bad'}/*_sal.png", "--out", str(out), option]
    words += ["--data.test", str(made / "own"), "--resamples=0", "--pictures=false"]
    assert main(words) == code
    if code:
        assert "1 without a map, not measured: 0003; --strict" in capsys.readouterr().err
    else:
        (row,) = json.loads((out / "metrics.json").read_text())
        assert (row["images"], row["empty"]) == (6, 1)


def test_every_pair_has_its_p_value(made: Path) -> None:
    with (made / "out" / "significance.csv").open() as file:
        pairs = list(csv.DictReader(file))
    assert {(pair["first"], pair["second"], pair["images"]) for pair in pairs} == {
        ("good", "bad", "5")
    }
    assert len(pairs) == 14
    assert all(0 < float(pair["p"]) <= 1 for pair in pairs)


def test_the_report_is_one_file_with_tables_figures_and_pictures(made: Path) -> None:
    text = (made / "out" / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]', text)  # nothing is loaded
    assert text.count("<svg") == 2
    assert text.count('class="case"') >= 6
    assert 'data-value="0.' in text
    assert text.count("data:image/jpeg;base64") >= 12
    for name in ("attributes.csv", "worst.png", "disagreement.png", "curves.pdf", "metrics.xlsx"):
        assert (made / "out" / name).stat().st_size > 100, name


def test_the_method_to_compare_with_must_be_there(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--maps", f"good={made / 'good'}/*_sal.png", "--against", "goood"]
    words += ["--data.test", str(made / "own"), "--out", str(made / "no"), "--data.num_workers=0"]
    assert main(words) == 2
    assert "Did you mean 'good'" in capsys.readouterr().err
