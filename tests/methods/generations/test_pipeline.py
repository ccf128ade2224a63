"""Generations through the command line: what is made, resuming, processes, and what is refused."""

import json
import shutil
import subprocess
from itertools import groupby
from pathlib import Path

import pytest
import torch
from helpers.forks import in_two_processes, kill_when
from helpers.generation_runs import STUDENTS, arguments
from helpers.places import CONFIGS
from torture.compare import differences

from sod.cli import main
from sod.data.dataset import Item, SaliencyDataset
from sod.data.synthetic import write_scenes
from sod.data.transforms import TrainTransform
from sod.engine.checkpoint import read_checkpoint
from sod.nn.backbones.cache import Compute, FeatureCache


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "own"
    write_scenes(folder, count=10, size=48, seed=5)
    for mask in (folder / "masks").iterdir():
        mask.write_bytes(b"no label-free training may open this")
    return folder


@pytest.fixture(scope="module")
def whole(scenes: Path, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run; its masks are unreadable, so it has not read them."""
    out = tmp_path_factory.mktemp("whole")
    assert main(arguments(scenes, out)) == 0
    return out


def maps_of(run: Path) -> dict[str, bytes]:
    files = sorted(run.glob("gen*/labels/*.png")) + sorted(run.glob("gen*/maps/*/*.png"))
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


def weights(path: Path) -> dict[str, torch.Tensor]:
    content = read_checkpoint(path)
    found = {f"own.{name}": value for name, value in content["state_dict"].items()}
    for student in content.get("students", []):
        name = student["name"]
        found |= {f"{name}.{key}": value for key, value in student["state_dict"].items()}
    return found


def names(file: Path) -> list[str]:
    return sorted(json.loads(line)["name"] for line in file.read_text().splitlines())


def test_fixed_views_are_computed_once_for_all_students_and_generations(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[bool] = []
    caches: dict[int, FeatureCache] = {}
    item, recall = SaliencyDataset.__getitem__, FeatureCache.recall

    def spied_item(self: SaliencyDataset, key: int) -> Item:
        if isinstance(self.transform, TrainTransform):
            drawn.append(self.views is not None)
        return item(self, key)

    def spied_recall(
        self: FeatureCache, images: torch.Tensor, kind: str, compute: Compute
    ) -> torch.Tensor:
        caches[id(self)] = self
        return recall(self, images, kind, compute)

    monkeypatch.setattr(SaliencyDataset, "__getitem__", spied_item)
    monkeypatch.setattr(FeatureCache, "recall", spied_recall)
    kept = ["--data.features.cache=memory", "--data.features.views=1"]
    assert main(arguments(scenes, tmp_path, *kept, "--trainer.max_steps=2")) == 0
    (cache,) = caches.values()
    assert cache.misses <= 10 + 10, "of each image one view, and itself to be labelled"
    fixed = [each for each, _ in groupby(drawn)]
    assert fixed == 2 * [True, False], "a network from scratch sees new views"


def test_a_run_leaves_its_files(scenes: Path, whole: Path) -> None:
    stems = sorted(path.stem for path in (scenes / "images").iterdir())
    for number, members in ((0, ["teacher0"]), (1, ["patches", "unet"]), (2, ["patches", "unet"])):
        place = whole / f"gen{number}"
        assert names(place / "labels" / "manifest.jsonl") == stems
        for member in members:
            assert names(place / "maps" / member / "manifest.jsonl") == stems
        report = json.loads((place / "report.json").read_text())
        previous = ["gen1_patches", "gen1_unet"] if number == 2 else []
        assert list(report["agreement"]) == members + previous
        assert 0 <= report["labels"]["agreement"] <= 1
        if number:
            rows = [json.loads(r) for r in (place / "selection.jsonl").read_text().splitlines()]
            assert sorted(row["name"] for row in rows) == stems
            assert sum(row["selected"] for row in rows) == report["trained_on"] >= 8
            assert all((row["reason"] is None) == row["selected"] for row in rows)
            ranked_out = [row for row in rows if "is not among the best" in (row["reason"] or "")]
            assert bool(ranked_out) == (number == 1)  # later ones keep all within the bounds
    assert (whole / "generations.png").is_file()
    kept = weights(whole / "last.ckpt")
    assert all(torch.equal(v, kept[k]) for k, v in weights(whole / "gen2/ensemble.ckpt").items())
    assert not any("backbone.backbone." in name for name in kept)
    students = weights(whole / "gen2/students/unet/student.ckpt")
    assert all(torch.equal(value, kept[f"unet.{k[4:]}"]) for k, value in students.items())
    previous = weights(whole / "gen1/students/unet/student.ckpt")
    assert all(torch.equal(value, kept[f"gen1_unet.{k[4:]}"]) for k, value in previous.items())


def test_each_generation_learns_from_scratch(whole: Path) -> None:
    first, second = (weights(whole / f"gen{n}/students/unet/student.ckpt") for n in (1, 2))
    assert not any(torch.equal(value, second[k]) for k, value in first.items() if value.ndim > 1)


def test_a_student_stopped_at_its_end_is_the_same(
    scenes: Path, whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "gen2/students/unet/student.ckpt").unlink()
    assert main(arguments(scenes, run)) == 0
    assert list(differences(whole, run)) == []


def test_a_finished_run_is_distilled_later(scenes: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    distilled = {**STUDENTS[1], "name": "distilled", "max_steps": 2}
    assert main(arguments(scenes, run, "--model.distilled", json.dumps(distilled))) == 0
    finished = "gen2/students/unet/student.ckpt"
    assert (run / finished).stat().st_mtime_ns == (whole / finished).stat().st_mtime_ns
    student, model = (read_checkpoint(run / f"student.{kind}") for kind in ("ckpt", "safetensors"))
    assert student["method"] == model["method"] == "Student"
    for name, value in weights(run / "distilled/student.ckpt").items():
        key = name.removeprefix("own.")
        assert torch.equal(value, student["state_dict"][key])
        assert torch.equal(value, model["state_dict"][key])
    maps = []
    for kind in ("ckpt", "safetensors"):
        out = ["--output=map", f"--source={scenes / 'images' / '0000.png'}"]
        checkpoint = f"--ckpt={run / f'student.{kind}'}"
        assert main(["predict", checkpoint, *out, f"--out={tmp_path / kind}"]) == 0
        maps.append((tmp_path / kind / "map" / "0000.png").read_bytes())
    assert maps[0] == maps[1]


SIGNS = (
    "gen0/maps/teacher0/manifest.0.jsonl",  # while it labels
    "gen1/selection.jsonl",  # when it has selected
    "gen1/students/unet/last.ckpt",  # in the middle of a student
    "gen1/ensemble.ckpt",  # between two generations
)


@pytest.mark.parametrize("signs", [SIGNS[2:3], pytest.param(SIGNS, marks=pytest.mark.slow)])
def test_killed_anywhere_and_resumed_equals_uninterrupted(
    signs: tuple[str, ...], scenes: Path, whole: Path, tmp_path: Path
) -> None:
    words = arguments(scenes, tmp_path)
    for sign in signs:
        kill_when(words, tmp_path.with_suffix(".log"), (tmp_path / sign).exists)
        assert not (tmp_path / "last.ckpt").exists()
    student = tmp_path / "gen1/students/unet/student.ckpt"
    finished = "gen1/ensemble.ckpt" in signs
    untouched = student.stat().st_mtime_ns if finished else 0
    assert main(words) == 0
    assert not finished or student.stat().st_mtime_ns == untouched
    assert maps_of(tmp_path) == maps_of(whole)
    again = weights(tmp_path / "last.ckpt")
    assert all(torch.equal(value, again[k]) for k, value in weights(whole / "last.ckpt").items())


def test_two_processes_label_each_image_once(scenes: Path, whole: Path, tmp_path: Path) -> None:
    words = arguments(scenes, tmp_path, "--data.batch_size=2")
    in_two_processes(words, tmp_path.with_suffix(".logs"))
    manifest = "gen0/maps/teacher0/manifest.jsonl"
    assert names(tmp_path / manifest) == names(whole / manifest)
    for file in ("gen1/maps/unet/manifest.jsonl", "gen2/labels/manifest.jsonl"):
        assert names(tmp_path / file) == names(whole / file)
    both, one = maps_of(tmp_path), maps_of(whole)
    first = [name for name in one if name.startswith("gen0")]
    assert {name: both[name] for name in first} == {name: one[name] for name in first}
    selection = "gen1/selection.jsonl"
    assert (tmp_path / selection).read_text() == (whole / selection).read_text()
    found = weights(tmp_path / "gen1/students/patches/student.ckpt")
    for key, value in weights(whole / "gen1/students/patches/student.ckpt").items():
        torch.testing.assert_close(value, found[key], atol=1e-4, rtol=1e-4)


def in_this_process(command: list[str], **_: object) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.CompletedProcess(command, main(command[3:]))


@pytest.mark.slow
def test_a_run_is_measured_and_used(
    scenes: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process of its own for each row measures its memory, and costs ten seconds.
    monkeypatch.setattr("sod.evaluation.benchmark.subprocess.run", in_this_process)
    write_scenes(tmp_path / "test", count=2, size=48, seed=6)
    data = ["--data.test", str(tmp_path / "test")]
    out = tmp_path / "out"
    assert main(["generations", "--run", str(whole), *data, "--out", str(out)]) == 0
    rows = json.loads((out / "metrics.json").read_text())
    labels = ["gen0-teacher0"]
    labels += [f"gen{n}-{name}" for n in (1, 2) for name in ("patches", "unet", "ensemble")]
    assert [row["method"] for row in rows] == labels
    assert (out / "generations.png").is_file()
    best = whole / "gen2" / "students" / "patches" / "student.ckpt"
    source = ["--source", str(scenes / "images"), "--data.num_workers=0"]
    for name, file in (("ensemble", whole / "last.ckpt"), ("alone", best)):
        cut = tmp_path / name
        assert main(["predict", "--ckpt", str(file), *source, "--out", str(cut)]) == 0
        assert len(list((cut / "map").iterdir())) == 10


def test_more_images_and_generations_join_later(scenes: Path, whole: Path, tmp_path: Path) -> None:
    write_scenes(tmp_path / "fresh", count=3, size=48, seed=9)
    for image in sorted((tmp_path / "fresh" / "images").iterdir()):
        image.rename(image.with_name(f"new{image.name}"))
    joining = json.dumps(["", str(tmp_path / "fresh" / "images")])
    run = tmp_path / "run"
    words = arguments(scenes, run, "--model.more_data", joining, "--trainer.max_steps=1")
    assert main([*words, "--model.generations=1"]) == 0
    assert len(names(run / "gen1/labels/manifest.jsonl")) == 10
    assert main([*words, "--model.generations=2"]) == 0
    assert len(names(run / "gen1/selection.jsonl")) == 10
    assert len(names(run / "gen2/selection.jsonl")) == 13


def test_several_teachers_are_combined(scenes: Path, whole: Path, tmp_path: Path) -> None:
    teachers = [str(CONFIGS / "centre_box.yaml"), str(whole / "last.ckpt")]
    more = ["--model.teachers", json.dumps(teachers), "--trainer.max_steps=1"]
    assert main(arguments(scenes, tmp_path, *more, "--model.generations=1")) == 0
    report = json.loads((tmp_path / "gen0" / "report.json").read_text())
    agreement = report["agreement"]
    assert agreement["teacher0"] == pytest.approx(agreement["teacher1"])  # of two, with each other
    words = json.loads((tmp_path / "gen0" / "teachers.json").read_text())
    assert words == {"teacher0": ["--config", teachers[0]], "teacher1": ["--ckpt", teachers[1]]}


def test_mistakes_are_named(
    scenes: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(scenes, whole, "--model.power=2")) == 2
    assert "another configuration" in capsys.readouterr().err
    assert main(arguments(scenes, tmp_path, "--ckpt", str(whole / "last.ckpt"))) == 2
    assert "same --out" in capsys.readouterr().err
    assert main(arguments(scenes, tmp_path, "--model.generations=0")) == 2
    assert "generations: 0" in capsys.readouterr().err
    wrong = json.dumps([{"name": "a", "method": "Studnt"}])
    assert main(arguments(scenes, tmp_path / "a", "--model.students", wrong)) == 2
    assert "Did you mean 'Student'" in capsys.readouterr().err
    wrong = json.dumps([{"name": "a", "arguments": {"head": {"kid": "binary"}}}])
    assert main(arguments(scenes, tmp_path / "b", "--model.students", wrong)) == 2
    assert "kid" in capsys.readouterr().err
    assert main(["generations", "--run", str(tmp_path), "--data.test", str(scenes)]) == 2
    assert "no run of Generations" in capsys.readouterr().err
