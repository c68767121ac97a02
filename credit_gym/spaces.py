"""The text space of every environment here."""

from __future__ import annotations

import string
from types import ModuleType
from typing import Any, NoReturn

from gymnasium.error import Error
from gymnasium.spaces import Text
from gymnasium.vector.utils import create_shared_memory


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


@create_shared_memory.register(FreeText)
def _no_shared_memory(space: FreeText, n: int = 1, ctx: ModuleType | None = None) -> NoReturn:
    """Refuse what Gymnasium would do with any text: a block of ``max_length`` characters that it reads only once."""
    raise Error(
        'Text of any length does not fit into shared memory: give make_vec vector_kwargs={"shared_memory": False} '
        "for asynchronous environments, or another vectorization_mode."
    )
