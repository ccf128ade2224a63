import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sod.core.errors import ImageError
from sod.data.dataset import Batch, SaliencyDataset
from sod.data.loader import Loader, chosen_workers, default_workers
from sod.data.sampler import EpochSampler, EvalSampler
from sod.data.samples import Sample
from sod.data.transforms import Augmentation, EvalTransform, TrainTransform
from sod.data.views import KeptViews, Views


class Numbers(torch.utils.data.Dataset[object]):
    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(11):
        pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return [Sample(str(n), folder / f"{n}.png") for n in range(11)]


def training(samples: list[Sample], **options: int) -> Loader:
    transform = TrainTransform(16, Augmentation(crop=0.3, flip=0.5, jitter=0.5))
    dataset = SaliencyDataset(samples, transform, with_masks=False, seed=5)
    return Loader(dataset, 3, training=True, **options)


def epoch_of(loader: Loader, epoch: int) -> list[Batch]:
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(epoch)
    return list(loader)


def same(some: list[Batch], others: list[Batch]) -> bool:
    return len(some) == len(others) and all(
        torch.equal(a["images"], b["images"]) and a["samples"] == b["samples"]
        for a, b in zip(some, others, strict=True)
    )


def test_batches_do_not_depend_on_workers(samples: list[Sample]) -> None:
    without, with_workers = training(samples), training(samples, workers=2)
    for epoch in (0, 1):
        assert same(epoch_of(without, epoch), epoch_of(with_workers, epoch))


def test_epochs_differ_in_order_and_augmentation(samples: list[Sample]) -> None:
    loader = training(samples)
    first, second, again = epoch_of(loader, 0), epoch_of(loader, 1), epoch_of(loader, 0)
    assert same(first, again)
    orders = [[s.name for batch in e for s in batch["samples"]] for e in (first, second)]
    assert orders[0] != orders[1]
    # Each epoch shows 9 of the 11 images once; which two are left out depends on the epoch.
    assert [len(set(order)) for order in orders] == [9, 9]
    shown = {frozenset(s.name for b in epoch_of(loader, e) for s in b["samples"]) for e in range(8)}
    assert len(shown) > 4
    assert frozenset().union(*shown) == {str(number) for number in range(11)}
    pixels = [
        {s.name: i for b in e for s, i in zip(b["samples"], b["images"], strict=True)}
        for e in (first, second)
    ]
    common = pixels[0].keys() & pixels[1].keys()
    assert common
    assert not any(torch.equal(pixels[0][name], pixels[1][name]) for name in common)


def test_the_last_incomplete_batch_is_dropped_unless_it_is_the_only_one(
    samples: list[Sample],
) -> None:
    assert [len(b["samples"]) for b in training(samples)] == [3, 3, 3]
    assert len(training(samples)) == 3
    assert [len(b["samples"]) for b in training(samples[:2])] == [2]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_resumed_epoch_continues_with_the_next_batch(
    samples: list[Sample], done: int, workers: int
) -> None:
    loader = training(samples)
    whole, following = epoch_of(loader, 2), epoch_of(loader, 3)
    assert isinstance(loader.sampler, EpochSampler)
    loader.sampler.set_epoch(2)
    batches = iter(loader)
    for _ in range(done):
        next(batches)
    state = loader.state_dict()
    assert done == 0 or state == {"epoch": 2, "batches": done}
    resumed = training(samples, workers=workers)
    resumed.load_state_dict(state)
    assert same(epoch_of(resumed, 2), whole[done:])
    assert len(resumed) == 3
    assert resumed.state_dict() == {"epoch": 2, "batches": 3}
    assert same(epoch_of(resumed, 3), following)
    assert same(epoch_of(resumed, 2), whole)


def test_a_position_of_another_epoch_is_ignored(samples: list[Sample]) -> None:
    loader = training(samples)
    whole = epoch_of(loader, 1)
    loader.load_state_dict({"epoch": 0, "batches": 2})
    assert same(epoch_of(loader, 1), whole)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 5))
def test_training_shares_are_equal_and_cover_all(length: int, replicas: int, epoch: int) -> None:
    shares = []
    for rank in range(replicas):
        sampler = EpochSampler(Numbers(length), replicas, rank, seed=1)
        sampler.set_epoch(epoch)
        shares.append(list(sampler))
    assert {len(share) for share in shares} == {math.ceil(length / replicas)}
    ids = [i for share in shares for i in share]
    assert {divmod(i, length)[0] for i in ids} == {epoch}
    assert {i % length for i in ids} == set(range(length))


@given(st.integers(1, 40), st.integers(1, 8))
def test_evaluation_counts_each_image_once(length: int, replicas: int) -> None:
    samplers = [EvalSampler(Numbers(length), replicas, rank) for rank in range(replicas)]
    shares = [list(sampler) for sampler in samplers]
    assert [len(sampler) for sampler in samplers] == [len(share) for share in shares]
    assert sorted(i for share in shares for i in share) == list(range(length))
    assert all(share == sorted(share) for share in shares)


def test_two_processes_evaluate_five_images_as_one_does(samples: list[Sample]) -> None:
    dataset = SaliencyDataset(samples[:5], EvalTransform(), with_masks=False)
    shares = [Loader(dataset, replicas=2, rank=rank) for rank in range(2)]
    assert [len(share) for share in shares] == [3, 2]
    names = [[s.name for batch in share for s in batch["samples"]] for share in shares]
    assert names == [["0", "2", "4"], ["1", "3"]]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_process_without_images_gets_one_batch_of_none(
    samples: list[Sample], workers: int
) -> None:
    dataset = SaliencyDataset(samples[:2], EvalTransform(), with_masks=False)
    shares = [Loader(dataset, workers=workers, replicas=3, rank=rank) for rank in range(3)]
    assert [len(share) for share in shares] == [1, 1, 1]
    batches = [list(share) for share in shares]
    names = [[s.name for batch in share for s in batch["samples"]] for share in batches]
    assert names == [["0"], ["1"], []]
    (empty,) = batches[2]
    assert empty["images"].shape == (0, 3, 0, 0)
    assert empty["masks"] == empty["errors"] == []


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_file_ends_training_in_one_line(
    samples: list[Sample], tmp_path: Path, workers: int
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    loader = training([*samples[:2], Sample("bad", bad)], workers=workers)
    with pytest.raises(ImageError) as caught:
        list(loader)
    assert str(caught.value) == f"{bad}: the file is empty (0 bytes)"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_file_is_collected_in_prediction(
    samples: list[Sample], tmp_path: Path, workers: int
) -> None:
    missing = Sample("gone", tmp_path / "gone.jpg")
    dataset = SaliencyDataset([samples[0], missing], EvalTransform(), with_masks=False)
    batches = list(Loader(dataset, workers=workers, on_error="collect"))
    assert [[s.name for s in batch["samples"]] for batch in batches] == [["0"], []]
    assert [len(batch["errors"]) for batch in batches] == [0, 1]


@pytest.mark.parametrize(
    ("cpus", "processes", "expected"),
    [(1, 1, 0), (2, 1, 2), (2, 2, 0), (6, 2, 3), (7, 2, 3), (8, 1, 8), (64, 1, 8), (64, 16, 4)],
)
def test_default_workers_are_shared_between_processes(
    cpus: int, processes: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cpus)), raising=False)
    assert default_workers(processes) == expected


def test_kept_views_need_no_workers_and_are_kept_by_none(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    for gpu, expected in ((False, 0), (True, 4)):
        monkeypatch.setattr("torch.cuda.is_available", lambda gpu=gpu: gpu)
        assert chosen_workers(None, 1, memory=True) == expected
        assert chosen_workers(None, 1) == 4
        assert chosen_workers(3, 1, memory=True) == 3
    monkeypatch.undo()
    how = {"views": Views(1, 0), "kept": KeptViews(1.0)}
    for workers in (0, 2):
        dataset = SaliencyDataset(samples, EvalTransform(), False, **how)  # type: ignore[arg-type]
        Loader(dataset, 3, training=True, workers=workers)
        assert (dataset.kept is None) == (workers > 0)
