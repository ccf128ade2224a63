"""Decoders and heads, which map features to logits, and networks trained from scratch."""
