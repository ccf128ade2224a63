import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.ddp_metrics import measure_share, share

TESTS = Path(__file__).parents[1]


def run(processes: int, folder: Path) -> list[Any]:
    """Start the given number of processes and return the results of each."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "helpers.ddp_metrics", str(rank), str(processes), str(folder)],
            env=environment,
            cwd=TESTS,
        )
        for rank in range(processes)
    ]
    try:
        assert [process.wait(timeout=300) for process in started] == [0] * processes
    finally:
        for process in started:
            process.kill()
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
