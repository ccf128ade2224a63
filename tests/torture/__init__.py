"""Attacks on running trainings: kills, full disks, signals; `make torture` runs them all."""
