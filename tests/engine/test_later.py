"""Small images are predicted in the threads of a loop, with the same results."""

import threading
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from sod.data.datamodule import SaliencyData
from sod.engine import later
from sod.engine.method import Method
from sod.evaluation.callback import Evaluation
from sod.evaluation.plan import make_plan
from sod.prediction.sources import SourceData
from sod.prediction.writers import PredictionWriter


class Bright(Method):
    """The mean of the colours; it notes the threads that compute it."""

    concurrent = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def saliency(self, images: Tensor) -> Tensor:
        self.seen.add(threading.current_thread().name)
        return images.mean(1, keepdim=True)


class Reads(pl.Callback):
    """Another callback that sees what the steps return."""

    def on_test_batch_end(self, *_: object) -> None:
        """Do nothing."""


def trainer(*callbacks: pl.Callback) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(accelerator="cpu", callbacks=list(callbacks), barebones=False, **quiet)  # type: ignore[arg-type]


def evaluated(root: Path, threads: int, *others: pl.Callback) -> tuple[list[object], set[str]]:
    method, plan = Bright(), make_plan("mean-max", "none", "default")
    evaluation = Evaluation("Bright", ["set"], plan, threads=threads)
    data = SaliencyData(root=str(root), test="builtin-6-32", num_workers=0)
    trainer(evaluation, *others).test(method, datamodule=data, verbose=False)
    assert not method.predicts_later
    rows = [{**row, "seconds": 0} for row in evaluation.results[0].per_image]
    return rows, method.seen


def is_thread(name: str) -> bool:
    return name.startswith("sod")


def test_threads_predict_and_the_results_are_the_same(tmp_path: Path) -> None:
    rows, seen = evaluated(tmp_path, 2)
    assert seen
    assert all(map(is_thread, seen))
    for threads in (0, 1):  # one thread would predict alone, while the main thread waits
        others, seen = evaluated(tmp_path, threads)
        assert others == rows
        assert not any(map(is_thread, seen))


def test_no_thread_predicts_what_others_look_at_or_what_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, seen = evaluated(tmp_path, 2, Reads())
    assert not any(map(is_thread, seen))
    monkeypatch.setattr(later, "PIXELS", 32 * 32 - 1)
    assert not any(map(is_thread, evaluated(tmp_path, 2)[1]))


def test_no_thread_predicts_by_a_method_that_does_not_allow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bright, "concurrent", False)
    assert not any(map(is_thread, evaluated(tmp_path, 2)[1]))


def test_pictures_are_the_same_and_an_image_without_memory_is_named(tmp_path: Path) -> None:
    data = SaliencyData(root=str(tmp_path), test="builtin-4-32")
    samples = data.test_samples()[0][1]

    class Greedy(Bright):
        def saliency(self, images: Tensor) -> Tensor:
            if torch.equal(images[0], first):
                raise MemoryError
            return super().saliency(images)

    first = next(iter(data.test_dataloader()[0]))["images"][0]
    files = {}
    for threads in (0, 2):
        method, writer = (
            Greedy(),
            PredictionWriter(tmp_path / str(threads), ["map"], "none", threads=threads),
        )
        trainer(writer).predict(method, datamodule=SourceData(samples, 0), return_predictions=False)
        assert writer.failures == [f"{samples[0].image}: not enough memory for 32x32 pixels"]
        assert all(map(is_thread, method.seen)) == bool(threads)
        maps = sorted((tmp_path / str(threads) / "map").iterdir())
        files[threads] = [(path.name, path.read_bytes()) for path in maps]
    assert files[0] == files[2]
    assert len(files[0]) == 3
