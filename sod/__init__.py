"""Salient-object detection without labels."""

import os

__version__ = "0.1.0"

# Threads that wait by spinning fight with loader workers and other processes for the same cores:
# on two busy cores a forward pass takes ten times as long. It has to be said before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
