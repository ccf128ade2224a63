"""Queries, keys and values of timm's transformer blocks."""

from copy import deepcopy
from typing import Any, Literal, TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

# nn.Module types its attributes as "tensor or module", which does not fit timm models.
TimmModule: TypeAlias = Any
Facet = Literal["query", "key", "value", "token"]
PROJECTIONS = ("query", "key", "value")


class Projection(nn.Module):
    """The queries, keys or values of a pre-norm block, computed without its attention and MLP.

    These are the raw projections of all heads, concatenated, before any further norm or rotation.

    Args:
        block: A pre-norm block of timm; the required weights are copied.
        facet: ``query``, ``key`` or ``value``.
    """

    def __init__(self, block: TimmModule, facet: Facet) -> None:
        super().__init__()
        self.norm: nn.Module = deepcopy(block.norm1)
        weight, bias = _weight_and_bias(block.attn, PROJECTIONS.index(facet))
        self.linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        self.linear.weight.data = weight.detach().clone()
        if bias is not None:
            self.linear.bias.data = bias.detach().clone()

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens ``[B, N, C]`` to the projection of all heads, ``[B, N, heads * width]``."""
        return F.linear(self.norm(tokens), self.linear.weight, self.linear.bias)


def _weight_and_bias(attention: TimmModule, index: int) -> tuple[Tensor, Tensor | None]:
    """Return weight and bias of the queries (0), keys (1) or values (2) of an attention."""
    if hasattr(attention, "qk"):  # ConViT's gated attention
        linear = (*_halves(attention.qk), (attention.v.weight, attention.v.bias))
        return linear[index]
    if attention.qkv is None:
        linear = (attention.q_proj, attention.k_proj, attention.v_proj)[index]
        return linear.weight, linear.bias
    weight = attention.qkv.weight.chunk(3)[index]
    if attention.qkv.bias is not None:
        return weight, attention.qkv.bias.chunk(3)[index]
    # EVA stores the biases of a fused projection separately.
    return weight, getattr(attention, ("q_bias", "k_bias", "v_bias")[index], None)


def _halves(linear: nn.Linear) -> list[tuple[Tensor, Tensor | None]]:
    biases = [None, None] if linear.bias is None else linear.bias.chunk(2)
    return list(zip(linear.weight.chunk(2), biases, strict=True))
