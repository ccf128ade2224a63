"""Decoders and heads: from features to logits."""
