"""Processes that torchrun or SLURM started, which exist before the trainer does."""

import atexit
import os
import subprocess

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from sod.core.distributed import external_launch, is_distributed, rank_and_world_size
from sod.core.errors import SodError


def join_processes(trainer: pl.Trainer) -> None:
    """Initialise the process group if a launcher started several processes.

    Lightning does so when a loop starts, and keeps a group that exists. Before that, the processes
    have to agree on the folder of a run.

    Args:
        trainer: A trainer of the run.

    Raises:
        SodError: The trainer does not use all processes.
    """
    launch = external_launch()
    devices, nodes = trainer.num_devices, trainer.num_nodes
    if launch.processes == 1 or is_distributed():
        return
    if (devices, nodes) != tuple(launch):
        raise SodError(
            f"trainer.devices: {devices} on {nodes} nodes, but the launcher started "
            f"{launch.per_node} processes on {launch.nodes} nodes: drop trainer.devices and "
            "trainer.num_nodes, or give these numbers"
        )
    elastic = TorchElasticEnvironment.detect()
    environment = TorchElasticEnvironment() if elastic else SLURMEnvironment()
    os.environ["MASTER_ADDR"] = environment.main_address
    os.environ["MASTER_PORT"] = str(environment.main_port)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    rank, world_size = rank_and_world_size()
    torch.distributed.init_process_group(backend, rank=rank, world_size=world_size)
    atexit.register(_leave)


def requeue_job() -> str:
    """Put the job of this process into SLURM's queue again; return a sentence about it, or nothing.

    SLURM starts the same command once more, which goes on with the run in its folder.
    """
    job = os.environ.get("SLURM_ARRAY_JOB_ID")
    task = f"{job}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if job else None
    number = task or os.environ.get("SLURM_JOB_ID")
    if number is None or rank_and_world_size()[0]:
        return ""
    try:
        command = ["scontrol", "requeue", number]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    except OSError:
        return f" Job {number} cannot be requeued: there is no scontrol."
    if done.returncode:
        return f" Job {number} was not requeued: {done.stderr.decode(errors='replace').strip()}."
    return f" Job {number} is in the queue again."


def _leave() -> None:
    if is_distributed():
        torch.distributed.destroy_process_group()
