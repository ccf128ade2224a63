"""The measures of a data set, summed over processes: constant memory however many images."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor
from torchmetrics import Metric

from sod.core.errors import SodError
from sod.metrics.functional import CURVES, EXTRA_MEASURES, MEASURES, measure, summarise
from sod.metrics.protocols import Protocol, get_protocol


class SaliencyMetrics(Metric):
    """Every measure of a data set under one protocol.

    The state is a float64 sum per measure and per point of the curves, and a count of images: the
    result does not depend on batch size, order or number of processes.

    Args:
        protocol: name of the protocol, or the protocol itself.
        refined: whether the maps went through a refinement.
        extended: also give Dice and the balanced error rate (``dice``, ``ber``).
    """

    full_state_update = False
    sums: Tensor
    curve_sums: Tensor
    images: Tensor

    def __init__(
        self, protocol: str | Protocol = "mean-max", refined: bool = False, extended: bool = False
    ) -> None:
        super().__init__()
        self.protocol = get_protocol(protocol) if isinstance(protocol, str) else protocol
        self.refined = refined
        self.measures = MEASURES + EXTRA_MEASURES if extended else MEASURES
        self.row: dict[str, float] = {}
        points = self.protocol.thresholds
        values = torch.zeros(len(MEASURES + EXTRA_MEASURES), dtype=torch.float64)
        curves = torch.zeros(len(CURVES), points, dtype=torch.float64)
        self.add_state("sums", values, dist_reduce_fx="sum")
        self.add_state("curve_sums", curves, dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    # torchmetrics declares None; an image's row must come from the same single measurement.
    def update(self, saliency: Tensor, mask: Tensor) -> dict[str, float]:  # type: ignore[override]
        """Add one image and return its own row.

        Args:
            saliency: float ``[H, W]`` in [0, 1].
            mask: uint8 (0..255) ``[H, W]``.

        Returns:
            The measures of this image alone.

        Raises:
            ValueError: if the shapes differ or the map holds values that are not finite.
        """
        measured = measure(
            saliency.to(self.device), mask.to(self.device), self.protocol, refined=self.refined
        )
        self.sums += measured.values
        self.curve_sums += measured.curves
        self.images += 1
        self.row = self._named(measured.values)
        return self.row

    def forward(self, saliency: Tensor, mask: Tensor) -> dict[str, float]:
        """Same as ``update``."""
        return self.update(saliency, mask)

    def compute(self) -> dict[str, float]:
        """Return the data set's measures.

        Raises:
            SodError: if no image was added on any process.
        """
        images = self._counted()
        return self._named(summarise(self.sums / images, self.curve_sums / images, self.protocol))

    def curves(self) -> dict[str, Tensor]:
        """Return the mean ``precision``, ``recall``, ``f`` and ``e``, each float64 ``[T]``.

        Thresholds ascend: point k belongs to k / 255. All processes must call this together.

        Raises:
            SodError: if no image was added on any process.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            means = (self.curve_sums / self._counted()).cpu()
        return dict(zip(CURVES, means, strict=True))

    def _counted(self) -> Tensor:
        if self.images == 0:
            raise SodError("no image was measured: the data set has no mask to compare with")
        return self.images

    def _named(self, values: Tensor) -> dict[str, float]:
        return dict(zip(self.measures, values.tolist(), strict=False))

    def _wrap_update(self, update: Callable[..., None]) -> Callable[..., dict[str, float]]:
        """Let the row through: torchmetrics' own wrapper drops what ``update`` returns."""
        counted = super()._wrap_update(update)

        @wraps(update)
        def returning(saliency: Tensor, mask: Tensor) -> dict[str, float]:
            counted(saliency, mask)
            return self.row

        return returning
