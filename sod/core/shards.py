"""Parts of a list of inputs, for processes that know nothing of each other."""

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from sod.core.errors import SodError

T = TypeVar("T")


class Shard(NamedTuple):
    """One part of several.

    Args:
        number: Which one, from 1.
        total: How many there are; 1 stands for the whole.
    """

    number: int = 1
    total: int = 1

    def __str__(self) -> str:
        """Return the form of the option, such as ``3/16``."""
        return f"{self.number}/{self.total}"

    @property
    def is_whole(self) -> bool:
        """Whether there is only one part."""
        return self.total == 1

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """Return the items of this part: every ``total``-th, so that all parts are alike."""
        return items[self.number - 1 :: self.total]

    def of_groups(self, items: Sequence[T], groups: Sequence[str]) -> list[T]:
        """Return the items of every ``total``-th group.

        Args:
            items: The items.
            groups: The group of each.
        """
        chosen = set(self.of(list(dict.fromkeys(groups))))
        return [item for item, group in zip(items, groups, strict=True) if group in chosen]


WHOLE = Shard()


def parse_shard(text: str | None) -> Shard:
    """Read the option ``--shard``, such as ``3/16``; None is the whole.

    Raises:
        SodError: It is no such pair of numbers.
    """
    if text is None:
        return WHOLE
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
    shard = Shard(*map(int, found.groups())) if found else Shard(0, 0)
    if not 1 <= shard.number <= shard.total:
        raise SodError(f"--shard {text}: give NUMBER/COUNT, such as 3/16, from 1/16 to 16/16.")
    return shard
