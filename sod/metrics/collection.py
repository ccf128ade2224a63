"""Metric that accumulates all measures over a data set in constant memory."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import Self

from sod.core.errors import SodError
from sod.core.precision import float64_device
from sod.metrics.catalogue import MEASURES
from sod.metrics.functional import CURVES, Measured, curve_names, measure, summarise
from sod.metrics.protocols import Protocol, get_protocol


class SaliencyMetrics(Metric):
    """Measures of a data set under one protocol.

    The state is a float64 sum per measure, per point of the curves and per count of pixels, and the
    number of images. It is summed over processes. The result does not depend on batch size, order
    or world size. Moved to a device without float64, it stays where it is; maps on any device can
    be added.

    Args:
        protocol: Name of the protocol, or the protocol itself.
        refined: Whether the maps are refined.
        measures: Names of the measures, of ``CATALOGUE``.

    Attributes:
        row: Measures of the last image, by name.
        last: All results of the last image.
    """

    full_state_update = False
    sums: Tensor
    curve_sums: Tensor
    count_sums: Tensor
    images: Tensor

    def __init__(
        self,
        protocol: str | Protocol = "mean-max",
        refined: bool = False,
        measures: Sequence[str] = MEASURES,
    ) -> None:
        super().__init__()
        self.protocol = get_protocol(protocol) if isinstance(protocol, str) else protocol
        self.refined = refined
        self.measures = tuple(measures)
        self.row: dict[str, float] = {}
        self.last: Measured | None = None
        shapes = {
            "sums": (len(self.measures),),
            "curve_sums": (len(curve_names(self.measures)), self.protocol.thresholds),
            "count_sums": (2, 4),
        }
        for name, shape in shapes.items():
            self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    # torchmetrics declares None as the result; returning the row avoids a second measurement.
    def update(  # type: ignore[override]
        self, saliency: Tensor, mask: Tensor, colours: Tensor | None = None
    ) -> dict[str, float]:
        """Add one image and return its measures.

        Args:
            saliency: Float ``[H, W]`` in [0, 1].
            mask: Uint8 (0..255) or bool ``[H, W]``.
            colours: The photo, float ``[3, H, W]`` in [0, 1], for measures that need it.

        Returns:
            The measures of this image alone, by name.

        Raises:
            ValueError: The shapes differ, or the map holds values that are not finite.
        """
        self._add(self.measured(saliency, mask, colours))
        return self.row

    def measured(self, saliency: Tensor, mask: Tensor, colours: Tensor | None = None) -> Measured:
        """Return the results of one image without adding them; the arguments are update's."""
        return measure(
            saliency.to(self.device),
            mask.to(self.device),
            self.protocol,
            refined=self.refined,
            names=self.measures,
            colours=colours,
        )

    def add(self, measured: Measured) -> dict[str, float]:
        """Add the results of one image, and return its measures by name."""
        self._update_count += 1  # as torchmetrics' wrapper of ``update`` does
        self._computed = None
        self._add(measured)
        return self.row

    def add_sums(self, sums: Mapping[str, Tensor]) -> None:
        """Add the state of another, which measured other images.

        Args:
            sums: ``sums``, ``curve_sums``, ``count_sums`` and ``images``.
        """
        self._update_count += 1
        self._computed = None
        for name, values in sums.items():
            state = getattr(self, name)
            state += values.to(state.device)

    def _add(self, measured: Measured) -> None:
        self.sums += measured.values
        self.curve_sums += measured.curves
        self.count_sums += measured.counts
        self.images += 1
        self.last = measured
        self.row = self._named(measured.values)

    def forward(
        self, saliency: Tensor, mask: Tensor, colours: Tensor | None = None
    ) -> dict[str, float]:
        """Add one image and return its measures, as :meth:`update`."""
        return self.update(saliency, mask, colours)

    def compute(self) -> dict[str, float]:
        """Return the measures of the data set, by name.

        Raises:
            SodError: No image was added on any process.
        """
        images = self._image_count()
        means = Measured(self.sums / images, self.curve_sums / images, self.count_sums / images)
        return self._named(summarise(means, self.protocol, self.measures))

    def curves(self) -> dict[str, Tensor]:
        """Return the mean curves ``precision``, ``recall``, ``f`` and ``e``, each float64 ``[T]``.

        Point k belongs to the threshold k / 255. All processes must call this together.

        Raises:
            SodError: No image was added on any process.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            means = (self.curve_sums[: len(CURVES)] / self._image_count()).cpu()
        return dict(zip(CURVES, means, strict=True))

    def _image_count(self) -> Tensor:
        if self.images == 0:
            raise SodError("no image was measured: the data set has no mask to compare with")
        return self.images

    def _named(self, values: Tensor) -> dict[str, float]:
        return dict(zip(self.measures, values.tolist(), strict=True))

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
        def update_and_return(
            saliency: Tensor, mask: Tensor, colours: Tensor | None = None
        ) -> dict[str, float]:
            wrapped(saliency, mask, colours)
            return self.row

        return update_and_return
