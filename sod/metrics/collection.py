"""Metric that accumulates all measures over a data set in constant memory."""

from collections.abc import Callable, Sequence
from functools import wraps

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import Self

from sod.core.errors import SodError
from sod.core.precision import float64_device
from sod.metrics.functional import (
    CURVES,
    EXTRA_MEASURES,
    MEASURES,
    Measured,
    measure,
    summarise,
)
from sod.metrics.protocols import Protocol, get_protocol


class SaliencyMetrics(Metric):
    """All measures of a data set under one protocol.

    The state is a float64 sum per measure and per point of the curves, and the number of images.
    It is summed over processes. The result does not depend on batch size, order or world size.
    Moved to a device without float64, it stays where it is; maps on any device can be added.

    Args:
        protocol: Name of the protocol, or the protocol itself.
        refined: Whether the maps are refined.
        extended: Also return Dice and the balanced error rate (``dice``, ``ber``).
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
        self.last: Measured | None = None  # of the last image, for sums over parts of the set
        points = self.protocol.thresholds
        values = torch.zeros(len(MEASURES + EXTRA_MEASURES), dtype=torch.float64)
        curves = torch.zeros(len(CURVES), points, dtype=torch.float64)
        self.add_state("sums", values, dist_reduce_fx="sum")
        self.add_state("curve_sums", curves, dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    # torchmetrics declares None as the result; returning the row avoids a second measurement.
    def update(self, saliency: Tensor, mask: Tensor) -> dict[str, float]:  # type: ignore[override]
        """Add one image and return its measures.

        Args:
            saliency: Float ``[H, W]`` in [0, 1].
            mask: Uint8 (0..255) or bool ``[H, W]``.

        Returns:
            The measures of this image alone, by name.

        Raises:
            ValueError: The shapes differ, or the map holds values that are not finite.
        """
        measured = measure(
            saliency.to(self.device), mask.to(self.device), self.protocol, refined=self.refined
        )
        self.sums += measured.values
        self.curve_sums += measured.curves
        self.images += 1
        self.row, self.last = self._named(measured.values), measured
        return self.row

    def forward(self, saliency: Tensor, mask: Tensor) -> dict[str, float]:
        """Add one image and return its measures, as :meth:`update`."""
        return self.update(saliency, mask)

    def compute(self) -> dict[str, float]:
        """Return the measures of the data set, by name.

        Raises:
            SodError: No image was added on any process.
        """
        images = self._image_count()
        return self._named(summarise(self.sums / images, self.curve_sums / images, self.protocol))

    def curves(self) -> dict[str, Tensor]:
        """Return the mean curves ``precision``, ``recall``, ``f`` and ``e``, each float64 ``[T]``.

        Point k belongs to the threshold k / 255. All processes must call this together.

        Raises:
            SodError: No image was added on any process.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            means = (self.curve_sums / self._image_count()).cpu()
        return dict(zip(CURVES, means, strict=True))

    def _image_count(self) -> Tensor:
        if self.images == 0:
            raise SodError("no image was measured: the data set has no mask to compare with")
        return self.images

    def _named(self, values: Tensor) -> dict[str, float]:
        return dict(zip(self.measures, values.tolist(), strict=False))

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> Self:
        """Move the state as ``fn`` does, except to a device without float64."""
        device = fn(torch.zeros(1, device=self.device)).device
        if float64_device(device) != device:
            return self
        super()._apply(fn, exclude_state)
        return self

    def _wrap_update(self, update: Callable[..., None]) -> Callable[..., dict[str, float]]:
        """Wrap ``update`` and return its row, which torchmetrics' own wrapper discards."""
        wrapped = super()._wrap_update(update)

        @wraps(update)
        def update_and_return(saliency: Tensor, mask: Tensor) -> dict[str, float]:
            wrapped(saliency, mask)
            return self.row

        return update_and_return
