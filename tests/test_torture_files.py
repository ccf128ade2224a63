"""A small part of the torture of files (`python -m torture.files` reads 10,000)."""

import pytest
from torture.files import Outcome, run, table
from torture.kinds import Kind, kinds

SLOW = ("checkpoints", "models (.safetensors)")
QUICK = [kind for kind in kinds() if kind.name != "configs"]


@pytest.mark.parametrize("kind", QUICK, ids=lambda kind: kind.name)
def test_mutated_files_are_read_or_refused(kind: Kind) -> None:
    count = 16 if kind.name in SLOW else 60
    (outcome,) = run(count, seed=5, chosen=[kind]).values()
    assert not outcome.faults, outcome.faults[0][2]
    assert outcome.read


def test_the_same_seed_gives_the_same_files() -> None:
    manifests = [kind for kind in QUICK if kind.name.startswith("manifests")]
    first, second = (run(80, seed=2, chosen=manifests).popitem()[1] for _ in range(2))
    assert (first.read, first.refused) == (second.read, second.refused)


def test_the_table_counts_all() -> None:
    shown = table({"images": Outcome(2, 3, [(b"", ".jpg", "why")], 0.25)})
    assert shown.splitlines()[-1] == "| images | 6 | 2 | 3 | 1 | 0.2 |"
