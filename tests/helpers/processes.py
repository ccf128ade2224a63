"""Runs of the program in several processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

TWO = ["--trainer.accelerator=cpu", "--trainer.devices=2", "--trainer.strategy=ddp"]
"""Options that let Lightning start a second process."""

SOD = ["-m", "sod"]
TORCHRUN = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_addr=127.0.0.1"]

SLURM_JOB = {
    "SLURM_JOB_NAME": "job",
    "SLURM_JOB_ID": "1",
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "1",
    "SLURM_NODEID": "0",
}
"""Variables of a job of two tasks on one node; each task has SLURM_PROCID and SLURM_LOCALID too."""


def start(
    words: Sequence[str],
    cwd: Path,
    *,
    program: Sequence[str] = SOD,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[str]":
    """Start Python with arguments, as many threads as here, and local connections only."""
    # Another number of threads adds up in another order.
    own = {"OMP_NUM_THREADS": str(torch.get_num_threads()), "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.Popen(
        [sys.executable, *program, *words],
        env={**os.environ, **own, **(environment or {})},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(*processes: "subprocess.Popen[str]") -> list[str]:
    """Wait until processes have succeeded; return what they printed."""
    try:
        outputs = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output
    return outputs


def free_port() -> int:
    """Return a port of this host that is not in use."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def elastic(rank: int, count: int, port: int) -> dict[str, str]:
    """Return the variables that torchrun sets for one of several processes of a host."""
    variables = {
        **{"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "ROLE_RANK": rank},
        **{"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_WORLD_SIZE": 1},
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"},
        **{"TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_USE_AGENT_STORE": "False"},
    }
    return {name: str(value) for name, value in variables.items()}


def torchrun(words: Sequence[str], cwd: Path) -> str:
    """Run the program in two processes that torchrun starts; return what they printed."""
    program = [*TORCHRUN, f"--master_port={free_port()}", *SOD]
    return finished(start(words, cwd, program=program))[0]


def slurm(words: Sequence[str], cwd: Path) -> list[str]:
    """Run the program in two processes with SLURM's variables; return what they printed."""
    job = SLURM_JOB | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    tasks = [{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(2)]
    return finished(*(start(words, cwd, environment={**job, **task}) for task in tasks))
