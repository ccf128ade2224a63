"""Initial targets of PEEKABOO."""

import pytest
import torch

from sod.core.errors import SodError
from sod.labels.initial_targets import InitialTargetsConfig, tokencut_masks


def test_tokencut_masks_are_the_components_of_the_seeds() -> None:
    tokens = torch.zeros(2, 2, 6, 6)
    tokens[:, 0] = 1
    tokens[0, :, 1:3, 1:4] = torch.tensor([0.0, 1.0])[:, None, None]
    masks = tokencut_masks(tokens, 0.2)
    assert masks.shape == (2, 1, 6, 6)
    assert masks[0, 0].nonzero().tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3)]
    assert not masks[1].any()  # nothing stands out


@pytest.mark.parametrize("field", ["kind", "when", "role"])
def test_unknown_names_are_rejected(field: str) -> None:
    with pytest.raises(SodError, match=rf"initial_targets\.{field}: 'other' is none of"):
        InitialTargetsConfig(**{field: "other"})  # type: ignore[arg-type]
