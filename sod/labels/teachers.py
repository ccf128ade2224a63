"""Teachers: methods from a config or a checkpoint, whose maps others are trained on."""

from typing import Any

from sod.core.configs import is_config
from sod.engine.building import build_from_checkpoint, build_from_config
from sod.engine.method import Method
from sod.refinement.kinds import Refinement


def build_teacher(path: str) -> Method:
    """Build the method of a checkpoint, or of the ``model`` section of a config.

    Args:
        path: A checkpoint of `sod fit`, or ``CONFIG[+CONFIG...]``, the later overriding; a config
            is a YAML file or the name of a packaged one.

    Raises:
        SodError: A file is missing or unusable.
    """
    if is_config(path.partition("+")[0]):
        return build_from_config(path, option="teacher")
    return build_from_checkpoint(path)


def describe_source(teacher: Method, refinement: Refinement) -> dict[str, Any]:
    """Describe what makes the maps of a store; other weights are another source."""
    return {
        "method": type(teacher).__name__,
        "arguments": teacher.arguments(),
        "weights_sha256": teacher.weights_checksum(),
        "refine": refinement,
        "version": 1,
    }
