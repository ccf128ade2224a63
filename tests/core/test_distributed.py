"""Rank and world size before the process group is initialised."""

import pytest

from sod.core.distributed import (
    Launch,
    external_launch,
    from_rank_zero,
    is_rank_zero,
    rank_and_world_size,
)

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "1",
    "RANK": "5",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "8",
    "LOCAL_WORLD_SIZE": "4",
}
SLURM = {
    "SLURM_JOB_NAME": "train",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_NNODES": "2",
}
CHILD = {"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {**TORCHRUN, **SLURM, **CHILD}:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "expected", "launch"),
    [
        ({}, (0, 1), Launch(1, 1)),
        (TORCHRUN, (5, 8), Launch(4, 2)),
        (SLURM, (3, 4), Launch(2, 2)),
        (SLURM | TORCHRUN, (5, 8), Launch(4, 2)),
        (CHILD, (1, 2), Launch(1, 1)),
        # Lightning's own processes in an interactive shell or a task of SLURM:
        (SLURM | {"SLURM_JOB_NAME": "bash"}, (0, 1), Launch(1, 1)),
        (SLURM | {"SLURM_JOB_NAME": "interactive"} | CHILD, (1, 2), Launch(1, 1)),
        (SLURM | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"} | CHILD, (1, 2), Launch(1, 1)),
        # An allocation without a task of its own:
        ({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train"}, (0, 1), Launch(1, 1)),
    ],
)
def test_the_launcher_gives_rank_and_world_size(
    variables: dict[str, str],
    expected: tuple[int, int],
    launch: Launch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert rank_and_world_size() == expected
    assert is_rank_zero() == (expected[0] == 0)
    assert external_launch() == launch
    assert launch.processes == launch.per_node * launch.nodes


def test_a_single_process_agrees_with_itself() -> None:
    assert from_rank_zero("runs/a/0") == "runs/a/0"
