import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sod.evaluation.published import published_rows
from sod.evaluation.reports import HEAD, rich_table, write_per_image, write_reports
from sod.evaluation.tables import make_tables
from sod.metrics import MEASURES, PROTOCOLS

Rows = list[dict[str, object]]


def row(method: str, iou: float, mae: float, **changes: object) -> dict[str, object]:
    measures = dict.fromkeys(MEASURES, 0.5) | {"iou": iou, "mae": mae}
    head = {"method": method, "dataset": "ECSSD", "images": 3, "refine": "none"}
    return {**head, "protocol": "mean-max", **measures, "seconds_per_image": 0.25, **changes}


@pytest.fixture
def rows() -> Rows:
    return [
        row("a_1", 0.70, 0.30),
        row("b", 0.90, 0.10),
        row("c", 0.80, 0.20),
        row("b", 0.4, 0.4, dataset="DUTS-TE"),
    ]


def lines_of(path: Path, start: str) -> list[str]:
    return [
        line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(start)
    ]


def test_json_and_csv_hold_the_rows_unrounded(rows: Rows, tmp_path: Path) -> None:
    rows[0]["iou"] = 1 / 3
    paths = write_reports(rows, tmp_path / "new")
    assert [path.name for path in paths] == [
        f"metrics.{kind}" for kind in ("json", "csv", "md", "tex", "xlsx")
    ]
    assert json.loads(paths[0].read_text()) == rows
    with paths[1].open(newline="") as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == (*HEAD, *MEASURES, "seconds_per_image")
    assert float(read[0]["iou"]) == 1 / 3
    assert [line["dataset"] for line in read] == ["ECSSD"] * 3 + ["DUTS-TE"]


def test_the_best_is_bold_and_the_second_underlined(rows: Rows, tmp_path: Path) -> None:
    write_reports(rows, tmp_path, measures=["mae", "iou"])
    heads, _, *body = lines_of(tmp_path / "metrics.md", "|")
    assert heads == "| Method | ECSSD MAE ↓ | ECSSD IoU ↑ | DUTS-TE MAE ↓ | DUTS-TE IoU ↑ |"
    assert body == [
        "| a_1 | 0.300 | 0.700 | – | – |",
        "| b | **0.100** | **0.900** | 0.400 | 0.400 |",
        "| c | <u>0.200</u> | <u>0.800</u> | – | – |",
    ]
    text = (tmp_path / "metrics.tex").read_text(encoding="utf-8")
    assert r"a\_1 & 0.300 & 0.700 & – & – \\" in text
    assert r"b & \textbf{0.100} & \textbf{0.900} & 0.400 & 0.400 \\" in text
    assert r"c & \underline{0.200} & \underline{0.800} & – & – \\" in text
    assert r"& \multicolumn{2}{c}{ECSSD} & \multicolumn{2}{c}{DUTS-TE} \\" in text
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}" in text


def test_values_that_print_alike_share_their_rank(tmp_path: Path) -> None:
    write_reports([row("a", 0.90001, 0.1), row("b", 0.90002, 0.1), row("c", 0.8, 0.1)], tmp_path,
                  measures=["iou", "mae"])  # fmt: skip
    body = lines_of(tmp_path / "metrics.md", "|")[2:]
    assert [line.split("|")[2].strip() for line in body] == ["**0.900**"] * 2 + ["<u>0.800</u>"]
    assert all(line.split("|")[3].strip() == "0.100" for line in body)


def test_protocols_are_never_mixed_and_always_named(rows: Rows, tmp_path: Path) -> None:
    rows.append(row("d", 0.99, 0.01, protocol="image-max", refine="bilateral"))
    tables = make_tables(rows)
    assert [table.protocol for table in tables] == ["mean-max", "image-max"]
    write_reports(rows, tmp_path)
    text = (tmp_path / "metrics.md").read_text(encoding="utf-8")
    assert PROTOCOLS["mean-max"].describe(refined=False) in text
    assert PROTOCOLS["image-max"].describe(refined=True) in text
    assert PROTOCOLS["image-max"].describe(refined=False) not in text
    assert "d + bilateral" in text


def test_published_rows_are_marked_and_separate(rows: Rows, tmp_path: Path) -> None:
    write_reports(rows, tmp_path, published=published_rows(["ECSSD"]), measures=["iou", "max_f"])
    body = lines_of(tmp_path / "metrics.md", "|")[2:]
    assert body[3].startswith("| TokenCut S/16 † | 0.712 | 0.803 | – | – |")
    assert "| PEEKABOO † (image-max) | 0.798 | 0.953 | – | – |" in body
    assert not any("**" in line or "<u>" in line for line in body[3:])
    assert json.loads((tmp_path / "metrics.json").read_text()) == rows
    assert "published numbers, not measured here" in (tmp_path / "metrics.md").read_text()
    assert (tmp_path / "metrics.tex").read_text().count(r"\midrule") == 2


def test_published_numbers_as_printed_in_their_sources() -> None:
    rows = published_rows(["ECSSD", "DUTS-TE", "DUT-OMRON"], "mean-max")
    assert {entry["protocol"] for entry in rows} == {"mean-max"}
    chosen = [x for x in rows if x["method"] == "TokenCut S/16" and x["refine"] == "bilateral"]
    assert [(x["dataset"], x["iou"], x["accuracy"], x["max_f"]) for x in chosen] == [
        ("ECSSD", 0.772, 0.934, 0.874),
        ("DUTS-TE", 0.624, 0.914, 0.755),
        ("DUT-OMRON", 0.618, 0.897, 0.697),
    ]


def test_per_image_rows_are_written_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "per_image.csv"
    write_per_image(({"name": f"é {k}, x", "iou": k / 10} for k in range(3)), path)
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file))[2] == {"name": "é 2, x", "iou": "0.2"}
    write_per_image([], path)
    assert path.read_text().strip() == ""


def test_the_terminal_shows_a_table_per_dataset_within_80_columns(rows: Rows) -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(rich_table(rows))
    text = console.export_text()
    assert text.index("ECSSD") < text.index("a_1") < text.index("DUTS-TE")
    assert ".900" in text
    assert "…" not in text
    assert text.count("Protocol mean-max") == 2
