"""Keys and values of token sequences, kept in the rows where the model reads and writes them.

The turns of an episode grow one sequence, the episodes of a task begin alike, and a replayed branch repeats its trunk:
each is computed from where it departs. A sequence stays in its row from turn to turn, so nothing is copied but what
another sequence shares with it, and a row that changes places because those in play must lie side by side.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


class ResidentRows:
    """Rows of a model whose layers all attend to everything; the first ones are in play.

    Args:
        layers: number of layers.
        tokens: most places kept for later calls, rows times the longest; 0 keeps nothing.
    """

    def __init__(self, layers: int, tokens: int) -> None:
        self._layers, self._room = layers, tokens
        self._clock = self._live = 0
        self._ids: list[tuple[int, ...]] = []  # what each row holds
        self._used: list[int] = []
        self._forget()

    def begin(self, prompts: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
        """Put some sequences into play, each from the longest known beginning of it.

        Args:
            prompts: the sequences, all different.

        Returns:
            For each row in play the number of its sequence, and how many of its tokens are known; never the last one.
        """
        if len(prompts) * self._cache.layers[0].places > self._room:  # a longer row that is kept would widen them all
            self._forget()
        keys = [_key(ids) for ids in self._ids]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        ordered = [keys[row] for row in order]
        wanted: list[_Wanted] = []
        taken: set[int] = set()
        for prompt in prompts:
            key = _key(prompt[:-1])
            place = bisect_left(ordered, key)
            near = range(max(place - 1, 0), min(place + 1, len(order)))  # a neighbour has most in common
            length, row = max(((_common(key, ordered[index]), order[index]) for index in near), default=(0, 0))
            own = bool(length) and length == len(self._ids[row]) and row not in taken
            if own:
                taken.add(row)
            wanted.append(_Wanted(row, length, own))
        seats = self._seat(wanted)
        return seats, [len(self._ids[row]) for row in range(len(seats))]

    def fork(self, rows: Sequence[int]) -> list[int]:
        """Put copies of rows in play into play.

        Args:
            rows: for each sequence wanted the row that it is now; each row once or more.

        Returns:
            For each row in play the number of its sequence.
        """
        first = {row: number for number, row in reversed([*enumerate(rows)])}
        return self._seat([_Wanted(row, len(self._ids[row]), first[row] == n) for n, row in enumerate(rows)])

    def select(self, rows: Sequence[int]) -> list[int]:
        """Leave only some rows in play; return for each row in play which one it was."""
        left = set(rows)
        where = list(range(self._live))
        holes = [row for row in range(len(rows)) if row not in left]
        for hole, row in zip(holes, [row for row in rows if row >= len(rows)], strict=True):
            self._swap(hole, row)
            where[hole], where[row] = where[row], where[hole]
        self._live = len(rows)
        return where[: len(rows)]

    def extend(self, model: Any, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Feed some tokens to each row in play; return the (B, V) logits that follow."""
        width = max(map(len, tokens))
        device = model.device
        known = torch.tensor([len(ids) for ids in self._ids[: self._live]], device=device)[:, None]
        given = torch.tensor([len(ids) for ids in tokens], device=device)[:, None]
        ids = torch.tensor([[0] * (width - len(row)) + [*row] for row in tokens], device=device)
        longest = int((known + given).max())
        position = known + given - width + torch.arange(width, device=device)  # padding stands before the tokens
        fed = position >= known
        for layer in self._cache.layers:
            layer.aim(torch.where(fed, position, -1), longest, len(self._ids))
        position = torch.where(fed, position, 0)
        sees = torch.arange(longest, device=device) <= position[:, :, None]
        output = model(
            input_ids=ids,
            attention_mask=torch.zeros((), dtype=model.dtype, device=device).where(sees[:, None], -torch.inf),
            position_ids=position,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._ids[: self._live] = [(*old, *new) for old, new in zip(self._ids, tokens, strict=False)]
        logits: Tensor = output.logits[:, -1]
        return logits

    def end(self) -> None:
        """Take all rows out of play, and forget those not used for longest until the rest is no more than is kept."""
        self._live = 0
        while self._ids and len(self._ids) * self._cache.layers[0].places > self._room:
            self._swap(self._used.index(min(self._used)), len(self._ids) - 1)
            self._ids.pop()
            self._used.pop()
        if not self._ids:
            self._forget()

    def _forget(self) -> None:
        self._ids, self._used, self._live = [], [], 0
        self._cache: Any = DynamicCache()
        self._cache.layers = [_Rows() for _ in range(self._layers)]

    def _seat(self, wanted: Sequence[_Wanted]) -> list[int]:
        """Make the first rows hold what is wanted, in any order; return the number of each row's wish."""
        self._clock += 1
        seats = {each.row: number for number, each in enumerate(wanted) if each.own}
        others = [number for number, each in enumerate(wanted) if not each.own]
        for number in others:
            seats[len(self._ids)] = number
            self._ids.append(self._ids[wanted[number].row][: wanted[number].length] if wanted[number].length else ())
            self._used.append(0)
        for layer in self._cache.layers:
            layer.reserve(len(self._ids))
            for row, number in enumerate(others, start=len(self._ids) - len(others)):
                layer.copy(wanted[number].row, row, wanted[number].length)
        holes = [row for row in range(len(wanted)) if row not in seats]
        for hole, row in zip(holes, sorted(row for row in seats if row >= len(wanted)), strict=True):
            self._swap(hole, row)
            seats[hole] = seats.pop(row)
        self._live = len(wanted)
        for row in range(self._live):
            self._used[row] = self._clock
        return [seats[row] for row in range(self._live)]

    def _swap(self, a: int, b: int) -> None:
        if a == b:
            return
        length = max(len(self._ids[a]), len(self._ids[b]))
        for layer in self._cache.layers:
            layer.swap(a, b, length)
        self._ids[a], self._ids[b] = self._ids[b], self._ids[a]
        self._used[a], self._used[b] = self._used[b], self._used[a]


class _Wanted(NamedTuple):
    """A sequence to be put into play: ``length`` tokens of a row, in the row itself (``own``) or in a copy."""

    row: int
    length: int
    own: bool


class _Rows(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer's keys and values, (rows, heads, places, width) each; the last place takes what padding writes."""

    keys: Any
    values: Any

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.places = 0
        self._aim: tuple[Any, int, int] = (None, 0, 0)

    def aim(self, position: Tensor, longest: int, rows: int) -> None:
        """Say where the next tokens go, (B, L) with -1 for padding, how far rows reach then, and how many there are."""
        self._aim = (position, longest, rows)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        position, longest, rows = self._aim
        if longest >= self.places or rows > len(self.keys):
            self._resize(rows, max(self.places, longest + longest // 4 + 16), key_states, value_states)
        row = torch.arange(len(key_states), device=key_states.device)[:, None]
        self.keys[row, :, position] = key_states.transpose(1, 2)
        self.values[row, :, position] = value_states.transpose(1, 2)
        return self.keys[: len(row), :, :longest], self.values[: len(row), :, :longest]

    def reserve(self, rows: int) -> None:
        """Make room for so many rows."""
        if self.places and rows > len(self.keys):
            self._resize(rows, self.places, self.keys, self.values)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the beginning of a row into another."""
        for held in (self.keys, self.values) if length else ():
            held[target, :, :length] = held[source, :, :length]

    def swap(self, a: int, b: int, length: int) -> None:
        """Let two rows change places."""
        for held in (self.keys, self.values) if length else ():
            kept = held[a, :, :length].clone()
            held[a, :, :length] = held[b, :, :length]
            held[b, :, :length] = kept

    def _resize(self, rows: int, places: int, *like: Tensor) -> None:
        old = (self.keys, self.values) if self.places else ()
        new = [states.new_zeros(rows, states.shape[1], places, states.shape[3]) for states in like]
        for wider, held in zip(new, old, strict=False):
            wider[: len(held), :, : self.places] = held[:rows]
        (self.keys, self.values), self.places = new, places


def _key(ids: Sequence[int]) -> bytes:
    return np.asarray(ids, dtype=">u4").tobytes()  # most significant byte first: the order of bytes is that of ids


def _common(a: bytes, b: bytes) -> int:
    """Number of ids that two keys have in common at their beginnings."""
    size = min(len(a), len(b)) // 4
    different = np.frombuffer(a, ">u4", size) != np.frombuffer(b, ">u4", size)
    return int(different.argmax()) if different.any() else size
