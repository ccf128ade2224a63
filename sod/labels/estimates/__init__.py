"""Estimates of the quality of pseudo-masks that know more than contrast and agreement."""

from sod.labels.estimates.estimate import estimated

__all__ = ["estimated"]
