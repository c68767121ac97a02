"""Rows of a model with layers that forget (windows, recurrent states): padded on their left, in play for one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class PaddedRows:
    """What such a model remembers of the rows in play: its cache, and which places of it are not padding."""

    def __init__(self) -> None:
        self._cache: Any = None
        self._mask: Any = None

    def begin(self, prompts: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
        """Put sequences into play; nothing is known of them."""
        return list(range(len(prompts))), [0] * len(prompts)

    def fork(self, rows: Sequence[int]) -> list[int]:
        """Put copies of rows into play, in order."""
        self.select(rows)
        return list(range(len(rows)))

    def select(self, rows: Sequence[int]) -> list[int]:
        """Leave only some rows in play, in order."""
        index = torch.tensor(rows, device=self._mask.device)
        self._mask = self._mask[index]
        self._cache.batch_select_indices(index)
        return list(rows)

    def extend(self, model: Any, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Feed some tokens to each row; return the (B, V) logits that follow."""
        width = max(map(len, tokens))
        padded = [[0] * (width - len(ids)) + [1] * len(ids) for ids in tokens]
        ids = [[0] * (width - len(row)) + list(row) for row in tokens]
        new = torch.tensor(padded, device=model.device)
        self._mask = new if self._cache is None else torch.cat([self._mask, new], dim=1)
        output = model(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=self._mask,
            position_ids=(self._mask.cumsum(dim=1) - 1).clamp(min=0)[:, -width:],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._cache = output.past_key_values
        logits: Tensor = output.logits[:, -1]
        return logits

    def end(self) -> None:
        """Take all rows out of play."""
        self._cache = self._mask = None
