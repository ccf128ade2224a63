"""Generations without --out in several processes, however they are started; and their seeds."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.generation_runs import STUDENTS, arguments
from helpers.processes import TWO, finished, start, torchrun

from sod.cli import main
from sod.data.synthetic import write_scenes

SHORT = ["--trainer.max_steps=1", "--model.generations=1", "--data.batch_size=2"]
SHORT += ["--model.students", json.dumps(STUDENTS[1:])]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "own"
    write_scenes(folder, count=6, size=48, seed=5)
    return folder


def results(folder: Path) -> dict[str, bytes]:
    """Return maps, labels, selection and configuration of the only run in a folder."""
    assert [str(p.relative_to(folder)) for p in folder.glob("runs/*/*")] == ["runs/Generations/0"]
    run = folder / "runs" / "Generations" / "0"
    assert (run / "last.ckpt").is_file()
    files = [run / "pipeline.json", *sorted(run.glob("gen*/**/*.png"))]
    files += sorted(run.glob("gen*/selection.jsonl"))
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


@pytest.mark.slow
def test_processes_of_every_launcher_share_one_folder_and_results(
    scenes: Path, tmp_path: Path
) -> None:
    places = [tmp_path / name for name in ("lightning", "torchrun")]
    for place in places:
        place.mkdir()
    words = arguments(scenes, None, *SHORT)
    outputs = [finished(start([*words, *TWO], places[0]))[0]]
    lightning = results(places[0])
    assert len(lightning) == 2 + 4 * 6
    outputs.append(torchrun(words, places[1]))
    assert results(places[1]) == lightning
    for output in outputs:
        assert output.count("unet: 4 images per optimiser step: 2 processes x 2") == 1


@pytest.mark.slow
def test_large_seeds_work_and_differ(scenes: Path, tmp_path: Path) -> None:
    selections = []
    for seed in (5_000_000, 2**32 - 1):
        out = tmp_path / str(seed)
        more = [f"--seed_everything={seed}", f"--data.seed={seed}"]
        assert main(arguments(scenes, out, *SHORT, *more)) == 0
        selections.append((out / "gen1/maps/unet/0000.png").read_bytes())
    assert selections[0] != selections[1]


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_other_seeds_are_one_line(
    seed: int, scenes: Path, tmp_path: Path, errors: Callable[[], str]
) -> None:
    for option in ("seed_everything", "data.seed"):
        assert main(arguments(scenes, tmp_path / "out", f"--{option}={seed}")) == 2
        assert errors().startswith(f"error: {option}: {seed} is not a seed")
    masking = ["fit", "--model=Peekaboo", f"--model.masking.seed={seed}"]
    assert main([*masking, "--data.train", str(scenes)]) == 2
    assert f"masking.seed: {seed} is not a seed" in errors()
    assert not (tmp_path / "out").exists()
