"""A model in Python: images in; maps, masks, boxes, cut-outs and instances out."""

from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sod.api.images import ImageLike, Picture, image_tensor, pixels_of
from sod.core.errors import SodError
from sod.engine.method import Method
from sod.metrics.boxes import component_boxes
from sod.nn.connectivity.instances import Instances
from sod.prediction.cutouts import CutoutOptions, cut_out
from sod.prediction.instances import PredictsInstances
from sod.prediction.opacity import Keep, OpacityOptions, object_mask
from sod.refinement.calibration import finished
from sod.refinement.kinds import Refinement

Map = NDArray[np.float32]


class Model:
    """A detector that is ready to use; :func:`sod.load` makes it.

    Args:
        method: The method; it is moved to the device and put into evaluation mode.
        device: Where it runs.
        refinement: Refinement of every map.

    >>> import numpy as np, sod
    >>> model = sod.load("centre_box", device="cpu", share=0.5)
    >>> photo = np.full((48, 64, 3), 30, np.uint8)
    >>> model(photo).shape, model.mask(photo).sum()
    ((48, 64), np.int64(768))
    >>> model.boxes(photo)
    [(16, 12, 48, 36)]
    >>> model.cutout(photo, crop=True, margin=0).size
    (32, 24)
    """

    def __init__(
        self, method: Method, device: torch.device, refinement: Refinement = "none"
    ) -> None:
        self.method = method.to(device).eval()
        self.device = device
        self.refinement: Refinement = refinement

    def __repr__(self) -> str:
        """Return the method, the device and the refinement."""
        refined = "" if self.refinement == "none" else f", {self.refinement}"
        return f"{type(self).__name__}({type(self.method).__name__} on {self.device}{refined})"

    @overload
    def __call__(self, image: Tensor) -> Tensor: ...

    @overload
    def __call__(self, image: "list[Any] | tuple[Any, ...]") -> list[Any]: ...

    @overload
    def __call__(self, image: Picture) -> Map: ...

    def __call__(self, image: Any) -> Any:
        """Return the saliency of an image, or of each image of a list.

        Args:
            image: A path, a PIL image, an array ``[H, W, 3]``, a tensor ``[3, H, W]`` or
                ``[B, 3, H, W]``, or a list or tuple of these.

        Returns:
            Float32 ``[H, W]`` in [0, 1], at the size of the image: a tensor (``[B, H, W]`` for a
            batch) on the image's device for a tensor, else an array; a list for a list.

        Raises:
            SodError: A file cannot be read, or the input is no image.
        """
        if isinstance(image, list | tuple):
            return [self(each) for each in image]
        if isinstance(image, Tensor) and image.ndim == 4:
            return torch.stack([self(each) for each in image])
        saliency = self._saliency(image_tensor(image))
        return saliency.to(image.device) if isinstance(image, Tensor) else saliency.cpu().numpy()

    def mask(
        self, image: ImageLike, threshold: float = 0.5, keep: Keep = "all"
    ) -> NDArray[np.bool_]:
        """Return the foreground of an image, bool ``[H, W]``.

        Args:
            image: One image.
            threshold: A pixel is foreground if its saliency is above it.
            keep: ``all`` objects, or only the ``largest``.

        Raises:
            SodError: As in a call, or an option is invalid.
        """
        options = OpacityOptions(threshold, keep)
        return object_mask(self._map(image_tensor(image)), options)

    def boxes(
        self, image: ImageLike, threshold: float = 0.5, keep: Keep = "all"
    ) -> list[tuple[int, int, int, int]]:
        """Return the boxes of the connected objects, in the order of their first rows.

        Each is ``left, top, right, bottom`` in pixels, right and bottom excluded.

        Args:
            image: One image.
            threshold: A pixel is foreground if its saliency is above it.
            keep: ``all`` objects, or only the ``largest``.

        Raises:
            SodError: As in a call, or an option is invalid.
        """
        mask = torch.from_numpy(self.mask(image, threshold, keep))
        return [
            (int(left), int(top), int(right), int(bottom))
            for left, top, right, bottom in component_boxes(mask).tolist()
        ]

    def cutout(
        self,
        image: ImageLike,
        threshold: float = 0.5,
        keep: Keep = "all",
        sharpen: float = 0.0,
        despill: bool = False,
        crop: bool = False,
        margin: float = 0.05,
        background: str | None = None,
    ) -> Image.Image:
        """Cut the objects out of an image.

        Args:
            image: One image.
            threshold: Of the mask; the centre of the sharpening.
            keep: ``all`` objects, or only the ``largest``.
            sharpen: Contrast of the opacity, 0 (as the map) to 1 (binary).
            despill: Remove the background's colour from half-transparent pixels.
            crop: Keep only the box of the objects, with the ``margin``.
            margin: As a share of the longer side of that box.
            background: A colour or an image file to lay the objects on.

        Returns:
            RGBA, or RGB where there is a background.

        Raises:
            SodError: As in a call, or an option is invalid.
        """
        look = OpacityOptions(threshold, keep, sharpen)
        cut = CutoutOptions(despill, crop, margin, background)
        tensor = image_tensor(image)
        return cut_out(pixels_of(tensor), self._map(tensor), look, cut)

    def instances(self, image: ImageLike) -> Instances:
        """Return the single objects of an image, the largest first.

        Args:
            image: One image.

        Raises:
            SodError: As in a call, or the method separates no objects (a ConnNet does).
        """
        if not isinstance(self.method, PredictsInstances):
            name = type(self.method).__name__
            raise SodError(f"instances: {name} does not separate objects; load a ConnNet.")
        with torch.inference_mode():
            return self.method.instances(image_tensor(image)[None].to(self.device))[0]

    def _map(self, image: Tensor) -> Map:
        saliency: Map = self._saliency(image).cpu().numpy()
        return saliency

    def _saliency(self, image: Tensor) -> Tensor:
        """Return the map ``[H, W]`` of an image ``[3, H, W]``, on the model's device."""
        images = image[None].to(self.device)
        with torch.inference_mode():
            raw = self.method.saliency(images)
            saliency = finished(images, raw, self.refinement, self.method.calibrations)
        return saliency[0, 0].float().clamp(0, 1)
