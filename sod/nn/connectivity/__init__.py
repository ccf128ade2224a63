"""Connectivity cubes: pixel pairs instead of pixels, their losses and instances."""
