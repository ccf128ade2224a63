"""The random seed of a run."""

import os


def run_seed() -> int:
    """Return the seed that ``seed_everything`` stored for all processes; 0 if it was not called."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))
