"""The trainer that is built where the command line does not describe it."""

import pytest
from helpers.places import CONFIGS
from helpers.processes import SLURM_JOB

from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS

DEMO = ["--config", str(CONFIGS / "demo.yaml")]


def devices_and_nodes(*more: str) -> tuple[object, object]:
    trainer = assemble(COMMANDS["test"], [*DEMO, *more]).config["trainer"]
    return trainer["devices"], trainer["num_nodes"]


def test_one_device_unless_more_are_asked_for() -> None:
    assert devices_and_nodes() == (1, 1)
    assert devices_and_nodes("--trainer.devices=4") == ("4", 1)  # Lightning reads the text


def test_a_launcher_asks_for_the_processes_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SLURM_JOB, "SLURM_PROCID": "1"}.items():
        monkeypatch.setenv(name, value)
    assert devices_and_nodes() == (2, 1)
    monkeypatch.setenv("SLURM_JOB_NAME", "bash")
    assert devices_and_nodes() == (1, 1)
