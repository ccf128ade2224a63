"""Parts of a list."""

import pytest

from sod.core.errors import SodError
from sod.core.shards import WHOLE, Shard, parse_shard


def test_the_parts_are_alike_and_together_the_whole() -> None:
    items = list(range(10))
    parts = [parse_shard(f"{number}/3").of(items) for number in (1, 2, 3)]
    assert parts == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
    assert WHOLE.of(items) == items
    assert (WHOLE.is_whole, Shard(1, 2).is_whole, str(Shard(3, 16))) == (True, False, "3/16")


def test_groups_stay_whole() -> None:
    groups = ["a", "b", "a", "c", "b"]
    assert Shard(1, 2).of_groups("01234", groups) == ["0", "2", "3"]
    assert Shard(2, 2).of_groups("01234", groups) == ["1", "4"]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5"])
def test_what_is_no_part_is_named(text: str) -> None:
    with pytest.raises(SodError, match=f"--shard {text}: give NUMBER/COUNT"):
        parse_shard(text)
