"""Image grids of a training for TensorBoard."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torch.nn.functional import interpolate


class ImageGrids(Callback):
    """Writes the visuals of a training step to TensorBoard, side by side.

    Args:
        every: Optimiser steps between two grids.
        images: Rows of a grid.
    """

    def __init__(self, every: int, images: int = 4) -> None:
        self.every = every
        self.images = images

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Write a grid if one is due."""
        visuals = outputs.get("visuals") if isinstance(outputs, Mapping) else None
        due = trainer.global_step % self.every == 0 and trainer.is_global_zero
        if not visuals or not due or not isinstance(trainer.logger, TensorBoardLogger):
            return
        grid = image_grid(visuals, self.images)
        step = trainer.global_step - 1  # as scalars of this step
        trainer.logger.experiment.add_image("/".join(visuals), grid, step)


def image_grid(columns: Mapping[str, Tensor], rows: int) -> Tensor:
    """Arrange maps and images in a grid: a row per sample, a column per kind.

    Args:
        columns: Name to ``[B, 1 or 3, H, W]`` in [0, 1]; the first sets the size of all.
        rows: Rows at most.

    Returns:
        ``[3, rows * H, columns * W]`` in [0, 1], on the CPU.
    """
    size = next(iter(columns.values())).shape[-2:]
    resized = [
        interpolate(maps[:rows].detach().float().cpu(), tuple(size)).expand(-1, 3, -1, -1)
        for maps in columns.values()
    ]
    return torch.cat([torch.cat(list(column), 1) for column in resized], 2).clamp(0, 1)
