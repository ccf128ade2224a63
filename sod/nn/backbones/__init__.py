"""Frozen and trainable feature extractors, and their weights."""
