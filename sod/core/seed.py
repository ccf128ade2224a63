"""The one seed of a run."""

import os


def run_seed() -> int:
    """Return the seed of the run, as ``seed_everything`` left it for all processes; 0 without."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))
