"""Connectivity cubes: predictions for pairs of pixels, their losses and instances."""
