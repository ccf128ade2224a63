"""Evaluations of parts of a test set by processes that know nothing of each other, joined exactly.

``OUT/shards/3-of-16.pt`` holds what one process has measured: sums, rows and thumbnails. The one
that finds the files of all others joins them, as the processes of one evaluation are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sod.core.distributed import gather, is_rank_zero
from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.core.shards import Shard
from sod.evaluation.evaluator import Evaluator, peak_memory
from sod.evaluation.gallery import Case, Gallery
from sod.metrics.functional import Measured

State = dict[str, Any]
SUMS = ("sums", "curve_sums", "count_sums", "images")


class Parts:
    """The parts of one evaluation, each measured by a run of its own.

    Args:
        folder: ``OUT/shards``.
        shard: The part of this run.
        about: What the results depend on, as primitives; it has to be the same for all parts.
    """

    def __init__(self, folder: Path, shard: Shard, about: Mapping[str, Any]) -> None:
        self.folder, self.shard, self.about = folder, shard, dict(about)

    def save(self, evaluators: Sequence[Evaluator]) -> None:
        """Write what all processes of this run have measured; each of them calls this.

        Args:
            evaluators: One for each test set.

        Raises:
            SodError: The file cannot be written.
        """
        states = [gather([_state(evaluator)]) for evaluator in evaluators]
        if is_rank_zero():
            with atomic_file(self._file(self.shard.number)) as temporary:
                torch.save({"about": self.about, "states": states}, temporary)

    def missing(self) -> list[int]:
        """Return the numbers of the parts that are not there yet."""
        return [n for n in range(1, self.shard.total + 1) if not self._file(n).is_file()]

    def join(self, evaluators: Sequence[Evaluator]) -> None:
        """Add all parts to evaluators that have measured nothing.

        Args:
            evaluators: One for each test set.

        Raises:
            SodError: A part is damaged, or was measured with something else.
        """
        galleries: list[list[Gallery]] = [[] for _ in evaluators]
        for number in range(1, self.shard.total + 1):
            for place, states in enumerate(self._states(self._file(number))):
                for state in states:
                    _add(evaluators[place], state)
                    galleries[place].append(_gallery(state["gallery"]))
        for evaluator, parts in zip(evaluators, galleries, strict=True):
            evaluator.gallery = Gallery.merged(parts)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}-of-{self.shard.total}.pt"

    def _states(self, path: Path) -> list[list[State]]:
        """Return what one part has measured: per test set, the states of its processes."""
        content = _read(path)
        about = self.about.items()
        changed = [key for key, value in about if content["about"].get(key) != value]
        if changed:
            raise SodError(
                f"{path}: was measured with another {' and '.join(changed)}: remove it, or give "
                "another --out."
            )
        return list(content["states"])


def _read(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, weights_only=True)
        assert set(content) == {"about", "states"}  # noqa: S101 - a damaged file
    except Exception as error:  # a damaged file fails in many ways
        raise SodError(f"{path}: is damaged: remove it and evaluate that shard again.") from error
    return dict(content)


def _state(evaluator: Evaluator) -> State:
    """Return all that an evaluator has measured, as primitives and tensors."""
    return {
        "rows": evaluator.per_image,
        "peak": peak_memory(),
        "sums": {
            kind: [getattr(metrics, name).cpu() for name in SUMS]
            for kind, metrics in evaluator.metrics.items()
        },
        "groups": {
            kind: {name: (count, list(sums)) for name, count, sums in groups.parts()}
            for kind, groups in evaluator.groups.items()
        },
        "images": {
            kind: [(name, list(measured)) for name, measured in images]
            for kind, images in evaluator.images.items()
        },
        "gallery": {
            name: [asdict(case) for case in value] if name in _CASES else value
            for name, value in vars(evaluator.gallery).items()
        },
    }


def _add(evaluator: Evaluator, state: State) -> None:
    evaluator.per_image += state["rows"]
    evaluator.peaks += [] if state["peak"] is None else [state["peak"]]
    for kind, metrics in evaluator.metrics.items():
        metrics.add_sums(dict(zip(SUMS, state["sums"][kind], strict=True)))
        for group, (count, sums) in state["groups"][kind].items():
            evaluator.groups[kind].add_part(group, count, Measured(*sums))
        images = state["images"][kind]
        evaluator.images[kind] += [(name, Measured(*measured)) for name, measured in images]


_CASES = ("_best", "_worst", "_spaced")


def _gallery(state: State) -> Gallery:
    gallery = Gallery()
    for name, value in state.items():
        setattr(gallery, name, [Case(**case) for case in value] if name in _CASES else value)
    return gallery
