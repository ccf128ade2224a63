"""Foundations of all packages: errors, files, processes and the seed of a run."""
