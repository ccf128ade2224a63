"""Backbones, decoders, heads and losses: plain modules and functions."""
