"""What an ONNX file says about its images: sizes, padding and scales, as metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import sod
from sod.core.errors import SodError
from sod.engine.stated import check_plain
from sod.nn.inference import InferenceConfig
from sod.refinement.calibration import KEY as CALIBRATION
from sod.refinement.calibration import Calibrations, read_calibrations

KEY = "sod"
"""Key of the file's metadata that holds the rules as JSON."""

DESCRIPTION = (
    "images: float32 RGB [batch, 3, height, width] in [0, 1], not normalised. "
    "saliency: float32 [batch, 1, height, width] in [0, 1]."
)


@dataclass(frozen=True)
class Rules:
    """How images of any size are given to a graph.

    Args:
        method: Class name of the method that was exported.
        size: Height and width that the graph takes; None: any multiples of ``multiple``.
        multiple: Number of pixels of which height and width are multiples.
        inference: Scales, padding and largest number of patches; None: images are given as they
            are, or resized to ``size``.
        mean: Padding colour, RGB in [0, 1].
        half: Whether the weights are in half precision.
        version: The version of this program that wrote the file.
        calibration: How maps are changed after each refinement; the graph itself is not calibrated.
    """

    method: str
    size: tuple[int, int] | None = None
    multiple: int = 1
    inference: InferenceConfig | None = None
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    half: bool = False
    version: str = sod.__version__
    calibration: Calibrations = field(default_factory=dict)

    def text(self) -> str:
        """Return the rules as JSON."""
        rules = asdict(self)
        if not self.calibration:
            del rules[CALIBRATION]
        return json.dumps(rules)


def read_rules(metadata: Mapping[str, str], where: str) -> Rules:
    """Return the rules in the metadata of a file.

    Args:
        metadata: The file's metadata.
        where: The file, for messages.

    Raises:
        SodError: There are none, or they are damaged.
    """
    if KEY not in metadata:
        raise SodError(f"{where}: is no graph that `sod export --onnx` wrote: it lacks size rules.")
    try:
        content = json.loads(metadata[KEY])
        check_plain(content, where)
        return _checked(content, where)
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError) as error:
        raise SodError(f"{where}: is damaged: its size rules cannot be read.") from error


def _checked(content: dict[str, Any], where: str) -> Rules:
    inference, size = content["inference"], content["size"]
    if inference is not None:
        scales = tuple(float(scale) for scale in inference.pop("scales"))
        inference = InferenceConfig(**inference, scales=scales)
    red, green, blue = (float(value) for value in content["mean"])
    rules = Rules(
        str(content["method"]),
        None if size is None else (int(size[0]), int(size[1])),
        int(content["multiple"]),
        inference,
        (red, green, blue),
        bool(content["half"]),
        str(content["version"]),
        read_calibrations(content, where),
    )
    if rules.multiple < 1 or min(rules.size or (1,)) < 1:
        raise ValueError("not positive")
    return rules
