import numpy as np
import pytest

from sod.core.errors import SodError
from sod.core.seed import check_seed, fold_seed


@pytest.mark.parametrize("seed", [0, 7, 5_000_000, 2**32 - 1])
def test_seeds_below_two_to_the_32_are_taken_as_they_are(seed: int) -> None:
    assert check_seed(seed, "seed") == seed
    assert fold_seed(seed) == seed


@pytest.mark.parametrize("seed", [-1, 2**32, 2**70])
def test_other_seeds_are_an_error_that_names_the_option(seed: int) -> None:
    with pytest.raises(SodError, match=rf"^data\.seed: {seed} is not a seed.* 0\.\.4294967295$"):
        check_seed(seed, "data.seed")


def test_derived_seeds_are_folded_and_stay_distinct() -> None:
    derived = [(2**32 - 1) * 1000 + number for number in range(200)]
    folded = [fold_seed(seed) for seed in derived]
    assert all(0 <= seed < 2**32 for seed in folded)
    assert len(set(folded)) == 200
    assert folded[3] == int(np.random.SeedSequence(derived[3]).generate_state(1)[0])
