"""Processes that torchrun or SLURM started, which exist before the trainer does."""

import atexit
import os

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


def _leave() -> None:
    if is_distributed():
        torch.distributed.destroy_process_group()
