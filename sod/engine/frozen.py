"""Frozen weights in checkpoints: referenced by a checksum instead of stored.

In a run in half precision the checksum is that of the converted weights, and their dtype is stored.
"""

from typing import Any

from torch import Tensor, nn

from sod.core.errors import SodError
from sod.core.files import state_checksum
from sod.core.names import one_line
from sod.core.precision import HALF


def drop_frozen(checkpoint: dict[str, Any], prefix: str, module: nn.Module) -> None:
    """Replace a module's weights in a checkpoint by their checksum.

    Args:
        checkpoint: With its ``state_dict``; changed in place.
        prefix: The module's name in the state dict.
        module: The module.
    """
    state = checkpoint["state_dict"]
    kept = {name: value for name, value in state.items() if not name.startswith(f"{prefix}.")}
    checkpoint["state_dict"] = kept
    own = module.state_dict()
    checkpoint[f"{prefix}_sha256"] = state_checksum(own)
    halves = {str(value.dtype) for value in own.values() if value.dtype in HALF}
    if halves:
        checkpoint[f"{prefix}_dtype"] = halves.pop()


def restore_frozen(checkpoint: dict[str, Any], prefix: str, module: nn.Module, source: str) -> None:
    """Add the weights that :func:`drop_frozen` removed, from the module as it was built.

    Args:
        checkpoint: Changed in place; one that stores the weights is left alone.
        prefix: The module's name in the state dict.
        module: The module.
        source: Where its weights came from, for the message.

    Raises:
        SodError: The module's weights are not those that the checkpoint was trained with.
    """
    expected = checkpoint.get(f"{prefix}_sha256")
    if expected is None:
        return
    own = module.state_dict()
    actual = state_checksum(_converted(own, checkpoint.get(f"{prefix}_dtype")))
    if actual != expected:
        raise SodError(
            f"{prefix}: the checkpoint was trained with other weights (sha256 "
            f"{one_line(str(expected))[:12]}...) than {source} (sha256 {actual[:12]}...): point "
            "--model.backbone.weights to those."
        )
    checkpoint["state_dict"].update({f"{prefix}.{name}": value for name, value in own.items()})


def _converted(state: dict[str, Tensor], dtype: str | None) -> dict[str, Tensor]:
    """Return a state dict with its floating values in half precision, if one is named."""
    half = next((known for known in HALF if str(known) == dtype), None)
    if half is None:
        return state
    return {key: v.to(half) if v.is_floating_point() else v for key, v in state.items()}
