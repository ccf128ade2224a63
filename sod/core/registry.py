"""Things found by name, to which other packages can add their own."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from sod.core.errors import SodError, suggest

Item = TypeVar("Item")


class Registry(Mapping[str, Item], Generic[Item]):
    """A mapping from names to items that only grows.

    Args:
        kind: What an item is, for messages.
        items: The items of this package.
    """

    def __init__(self, kind: str, items: Mapping[str, Item]) -> None:
        self.kind = kind
        self._items = dict(items)

    def register(self, name: str, item: Item) -> None:
        """Add an item of another package.

        Args:
            name: Its name in options and configs.
            item: The item.

        Raises:
            SodError: Another item has this name.
        """
        if self._items.setdefault(name, item) is not item:
            raise SodError(f"{self.kind} '{name}': the name is taken; choose another one.")

    def find(self, name: str, option: str) -> Item:
        """Return the item of a name.

        Args:
            name: The name.
            option: The option that gave it, for the message.

        Raises:
            SodError: There is none; the nearest name is suggested.
        """
        if name in self._items:
            return self._items[name]
        hint = suggest(name, self._items)
        raise SodError(f"{option} {name}: unknown.{hint} Known: {', '.join(self._items)}.")

    def __getitem__(self, name: str) -> Item:
        """Return the item of a name."""
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in the order of their registration."""
        return iter(self._items)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._items)
