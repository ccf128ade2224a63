import json
from pathlib import Path
from typing import Any

import pytest
from helpers.ddp_metrics import measure_as_rank, measure_share, share
from helpers.forks import finished, fork


def run(processes: int, folder: Path) -> list[Any]:
    """Measure in the given number of processes and return the results of each."""
    assert finished(*(fork(measure_as_rank, rank, processes, folder) for rank in range(processes)))
    return [
        json.loads((folder / f"{processes}-{rank}.json").read_text()) for rank in range(processes)
    ]


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    alone = [measure_share(share(0, 1, uneven)) for uneven in (False, True)]
    both = run(2, tmp_path)
    for sharing, shares in enumerate(([3, 2], [5, 0])):
        expected = alone[sharing]
        assert [process[sharing]["own"] for process in both] == shares
        for process in both:
            results = process[sharing]
            assert results["corloc"] == expected["corloc"]
            for protocol, row in expected["rows"].items():
                assert results["rows"][protocol] == pytest.approx(row, abs=1e-12)
                assert results["curves"][protocol] == pytest.approx(expected["curves"][protocol])
