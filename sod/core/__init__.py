"""What every room stands on: errors, files, processes and the seed of a run."""
