from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from helpers.image_files import write_images
from PIL import Image
from rich.console import Console

from sod.cli import main
from sod.cli.commands.data import data
from sod.core.errors import SodError
from sod.data.check import CheckReport, check_dataset, finding_lines, render_table


def findings(report: CheckReport) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {issue.what: (issue.level, issue.names) for issue in report.issues}


def own(root: Path) -> Path:
    write_images(root / "own/images", "a", "b", "c", distinct=True)
    write_images(root / "own/masks", "a", "b", "c")
    return root / "own"


def test_a_clean_set_has_no_findings(tmp_path: Path) -> None:
    own(tmp_path)
    report = check_dataset(tmp_path, "own")
    assert (report.found, report.paired, report.expected, report.grey) == (3, 3, None, 0)
    assert report.issues == ()
    assert not report.defects


def test_every_defect_is_named(tmp_path: Path) -> None:
    folder = own(tmp_path)
    (folder / "masks/b.png").rename(folder / "masks/z.png")
    write_images(folder / "masks", "c", size=(9, 9))
    (folder / "images/d.png").write_bytes(b"words")
    write_images(folder / "masks", "d", "e")
    write_images(folder / "images", "e", suffix=".bmp", distinct=True)
    write_images(folder / "images", "e", distinct=True)
    Image.fromarray(np.eye(4, 5, dtype=np.uint8)).save(folder / "masks/a.png")
    report = check_dataset(tmp_path, "own")
    found = findings(report)
    assert report.defects
    assert found["images without mask"] == ("defect", ("b",))
    assert found["masks without image"] == ("defect", ("z",))
    assert found["mask and image differ in size"] == ("defect", ("c (image 5x4, mask 9x9)",))
    assert found["images that share a name"] == ("defect", ("e",))
    assert "d.png: not an image" in found["unreadable"][1][0]
    assert found["masks of 0 and 1 (a threshold at 128 empties them)"][1] == ("a",)


def test_grey_masks_and_identical_images_are_noted(tmp_path: Path) -> None:
    folder = own(tmp_path)
    grey = np.zeros((4, 5), np.uint8)
    grey[0] = 100  # 5 of 20 pixels
    Image.fromarray(grey).save(folder / "masks/a.png")
    (folder / "images/c.png").write_bytes((folder / "images/b.png").read_bytes())
    report = check_dataset(tmp_path, "own")
    assert report.grey == pytest.approx(0.25 / 3)
    assert not report.defects
    assert findings(report)["identical image files"] == ("note", ("b = c",))
    assert findings(report)["masks with more than 1% of grey pixels"] == ("note", ("a",))


def test_known_defects_are_reported_as_known(tmp_path: Path) -> None:
    name = "n01532829_13482"
    write_images(tmp_path / "DUTS-TR/DUTS-TR-Image", "a", name, suffix=".jpg", distinct=True)
    write_images(tmp_path / "DUTS-TR/DUTS-TR-Mask", "a")
    write_images(tmp_path / "DUTS-TR/DUTS-TR-Mask", name, size=(8, 8))
    report = check_dataset(tmp_path, "duts-tr")
    levels = {issue.level: issue for issue in report.issues}
    assert levels["known"].names == (name,)
    assert levels["defect"].what == "2 images where 10553 are published"
    assert len(report.issues) == 2


def test_surplus_files_are_known_and_not_counted(tmp_path: Path) -> None:
    surplus = "msun_bcogaqperiljqupq"
    write_images(tmp_path / "DUTS-TE/DUTS-TE-Image", "a", suffix=".jpg", distinct=True)
    write_images(tmp_path / "DUTS-TE/DUTS-TE-Mask", "a", surplus)
    report = check_dataset(tmp_path, "DUTS-TE")
    assert report.found == 1
    assert [i.names for i in report.issues if i.level == "known"] == [(surplus,)]
    assert "masks without image" not in findings(report)


def test_images_alone_are_no_defect(tmp_path: Path) -> None:
    write_images(tmp_path / "own", "a", distinct=True)
    report = check_dataset(tmp_path, "own")
    assert not report.defects
    assert report.issues[0].level == "note"


def test_the_table_shows_counts_and_findings(tmp_path: Path) -> None:
    folder = own(tmp_path)
    (folder / "images/[b].png").write_bytes(b"")
    console = Console(width=200, record=True, quiet=False, file=(tmp_path / "log").open("w"))
    report = check_dataset(tmp_path, "own")
    console.print(render_table(report))
    for line in finding_lines(report):
        console.print(line, soft_wrap=True)
    text = console.export_text()
    assert "images without mask (1): [b]" in text
    assert "the file is empty" in text


def test_a_folder_of_photos_is_checked_by_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    folder = tmp_path / "my_photos"
    long = "a_photo_with_a_name_that_no_column_of_a_table_can_hold_" * 3
    write_images(folder, "b", "c", distinct=True)
    write_images(folder, "b", suffix=".jpg")
    (folder / f"{long}.jpg").write_bytes(b"no image")
    assert main(["data", "check", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert f"unreadable: {folder / long}.jpg: not an image" in shown
    assert "share a name" not in shown
    (folder / f"{long}.jpg").unlink()
    (folder / "b.png").write_bytes(b"")
    assert main(["data", "check", str(folder)]) == 1
    assert "b.png: the file is empty" in capsys.readouterr().out
    with pytest.raises(SodError, match="sod data check FOLDER"):
        data(["check", "--data.root", str(tmp_path)])


def test_half_of_ecssd_is_half_of_ecssd(shared: Path) -> None:
    report = check_dataset(shared / "data", "ECSSD")
    assert (report.found, report.paired, report.expected) == (500, 500, 1000)
    assert [issue.what for issue in report.issues] == ["500 images where 1000 are published"]


def test_the_table_counts_files_and_not_kinds_of_findings(tmp_path: Path) -> None:
    write_images(tmp_path / "own/images", "c", "d", distinct=True)
    for name in ("a.png", "b.jpg"):
        (tmp_path / "own" / "images" / name).write_bytes(b"no picture")
    console = Console(file=StringIO(), width=120)
    console.print(render_table(check_dataset(tmp_path, "own")))
    assert "2 defect, 1 note" in console.file.getvalue()
