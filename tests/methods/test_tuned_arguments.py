"""What each method takes from a tuned descriptor, by hand."""

from typing import Any

import pytest

from sod.engine.method import Method
from sod.methods.peekaboo import Peekaboo
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig
from sod.tuning.choice import Tuned

BACKBONE = {"name": "descriptor", "weights": None, "facet": "token", "block": 2}
BACKBONE |= {"pos_embed": "timm"}
FEATURES = ["key.1", "token.2"]
TUNED = Tuned(BackboneConfig(**BACKBONE), 0.35, FEATURES, 0.5, [1.25])
INFERENCE = {"propagate": 0.5, "scales": [1.25]}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (TokenCut, {"backbone": BACKBONE, "tau": 0.35}),
        (
            Peekaboo,
            {
                "backbone": BACKBONE | {"extra_features": FEATURES},
                "initial_targets": {"tau": 0.35},
                "inference": INFERENCE,
            },
        ),
    ],
)
def test_a_method_takes_its_part(method: type[Method], expected: dict[str, Any]) -> None:
    found = method.tuned_arguments(TUNED)
    found["backbone"] = {key: found["backbone"][key] for key in expected["backbone"]}
    assert found == expected


def test_heads_keep_their_features_where_none_were_chosen() -> None:
    arguments = Tuned(BackboneConfig(**BACKBONE)).backbone_arguments(heads=True)
    assert "extra_features" not in arguments
