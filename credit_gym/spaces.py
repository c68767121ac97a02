"""The text space of every environment here."""

from __future__ import annotations

import string
from typing import Any

from gymnasium.spaces import Text


class FreeText(Text):
    """A :class:`gymnasium.spaces.Text` that accepts any unicode string.

    Args:
        max_length: longest accepted string, in characters.
        seed: seed of :meth:`sample`, which draws short printable strings.
    """

    def __init__(self, max_length: int = 1_000_000, *, seed: int | None = None) -> None:
        super().__init__(max_length, min_length=0, charset=string.printable, seed=seed)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """Draw a printable string of at most 32 characters."""
        if mask is None and probability is None:
            length = int(self.np_random.integers(0, min(32, self.max_length) + 1))
            return "".join(self.np_random.choice(self.character_list, size=length))
        return super().sample(mask, probability)

    def contains(self, x: Any) -> bool:
        """Return whether ``x`` is a string that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length

    @property
    def is_np_flattenable(self) -> bool:
        """Any unicode has no fixed-size one-character-one-integer form."""
        return False

    def __repr__(self) -> str:
        return f"FreeText({self.max_length})"

    def __eq__(self, other: object, /) -> bool:
        return isinstance(other, FreeText) and self.max_length == other.max_length
