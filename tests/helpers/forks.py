"""The program in processes that are forked from a server, which has imported it once.

The server has computed nothing: neither threads of OpenMP nor those of autograd survive a fork.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import torch

from helpers.processes import TWO, elastic, free_port
from sod.cli import main


def fork(target: Callable[..., object], *arguments: Any) -> ForkServerProcess:  # noqa: ANN401
    """Call a function in a new process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sod.cli.app", "sod.methods"])
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def finished(*processes: ForkServerProcess) -> bool:
    """Wait until processes have ended, five minutes at most; return whether all succeeded."""
    for process in processes:
        process.join(300)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes == [0] * len(processes)


def in_two_processes(words: Sequence[str], place: Path) -> str:
    """Run the program in two processes as torchrun does; return what they printed."""
    place.mkdir()
    port = free_port()
    logs = [place / f"{rank}.log" for rank in range(2)]
    variables = [elastic(rank, 2, port) for rank in range(2)]
    processes = [
        fork(_run, [*words, *TWO], log, own) for log, own in zip(logs, variables, strict=True)
    ]
    succeeded = finished(*processes)
    text = "".join(log.read_text() for log in logs)
    assert succeeded, text
    return text


def kill_when(words: Sequence[str], log: Path, holds: Callable[[], bool]) -> None:
    """Run the program, and kill it as soon as a condition holds, before it has ended."""
    process = fork(_run, words, log, {})
    while process.is_alive() and not holds():
        time.sleep(0.002)  # between two looks at a growing run
    process.kill()
    process.join()
    assert process.exitcode == -9, log.read_text()


def _run(words: Sequence[str], log: Path, variables: Mapping[str, str]) -> None:
    """Run the program in this process, with its output in a file, on one thread."""
    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(variables)
    torch.set_num_threads(1)
    sys.argv = ["sod", *words]
    sys.exit(main(words))
