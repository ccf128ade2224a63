"""The random seed of a run."""

import os

import numpy as np

from sod.core.errors import SodError

SEEDS = 2**32
"""Number of seeds: NumPy and Lightning take 0 to 2**32 - 1."""


def run_seed() -> int:
    """Return the seed that ``seed_everything`` stored for all processes; 0 if it was not called."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))


def check_seed(seed: int, option: str) -> int:
    """Return a seed that was given as an option.

    Args:
        seed: The seed.
        option: The option, for the message.

    Raises:
        SodError: It is not in 0..2**32 - 1.
    """
    if not 0 <= seed < SEEDS:
        raise SodError(f"{option}: {seed} is not a seed: give a whole number in 0..{SEEDS - 1}")
    return seed


def fold_seed(seed: int) -> int:
    """Return a seed in 0..2**32 - 1 that depends on all bits of a larger one; others unchanged.

    Args:
        seed: Any number that is not negative, for instance one derived from the seed of a run.
    """
    return seed if seed < SEEDS else int(np.random.SeedSequence(seed).generate_state(1)[0])
