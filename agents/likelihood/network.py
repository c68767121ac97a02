"""A causal language model in two halves: the trunk turns rows of tokens into states, the head states into logits."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from credit_gym.agents.likelihood.forest import Row
from credit_gym.agents.likelihood.sharing import Method, Sharing, attends_only, choose_sharing, rope_types, windows
from credit_gym.data.grouping import IntArray
from credit_gym.errors import BackendError

MASK_PAIRS = 1 << 27
"""Entries of the largest attention mask."""


class Network:
    """The two halves of a causal language model, and how far it may share prefixes.

    Attributes:
        config: configuration of its text decoder.
        vocabulary: number of token ids.
        device: where it lives.
        trunk: the half below the logits.
        tolerance: relative difference of two computations of one state that is put down to rounding.
    """

    def __init__(self, model: Any) -> None:
        model = model.get_base_model() if hasattr(model, "get_base_model") else model  # what an adapter is wrapped in
        weight = next(model.parameters())
        self.config: Any = model.config.get_text_config(decoder=True)
        self.vocabulary = int(self.config.vocab_size)
        self.device: torch.device = weight.device
        self.tolerance = 1e-3 if weight.dtype is torch.float32 else 0.1
        self._model, self.trunk = model, model.base_model
        self._dtype: torch.dtype = weight.dtype
        self._windows = windows(self.config)
        self._forgets = "dynamic" in rope_types(self.config)

    @cached_property
    def sharing(self) -> Sharing:
        """How far it may share prefixes; tried out when first asked for."""
        return choose_sharing(self)

    @cached_property
    def pair_cost(self) -> float:
        """Cost of one entry of the attention matrix, in costs of one token through all linear maps of the trunk.

        Counted in operations, and twice that because attention runs at half the speed of matrix products (measured).
        """
        embedding = self._model.get_input_embeddings()
        weights = sum(p.numel() for p in self.trunk.parameters()) - sum(p.numel() for p in embedding.parameters())
        width = self.config.num_hidden_layers * self.config.hidden_size
        return float(4 * width / max(weights, 1))

    def method_of(self, row: Row) -> tuple[Method, str]:
        """Return how a row is computed, and why not in one forward with all its branches (empty if it is)."""
        method, reason = self.sharing.method, self.sharing.reason
        if method == "cache" and not row.branches:
            return "naive", reason
        if method == "tree" and row.branches * row.tokens.size > MASK_PAIRS:
            return "cache", f"no tree: its mask would have more than {MASK_PAIRS:,} entries"
        return method, reason

    def states(self, rows: Sequence[Row], method: Method, *, cache: Any = None, past: int = 0) -> Tensor:
        """Return what the trunk makes of each token of some rows.

        Args:
            rows: B rows, all with branches or all without; the longest has N tokens.
            method: how rows with branches are computed.
            cache: what the rows continue; it grows by them, or is spoilt.
            past: number of tokens in the cache.

        Returns:
            (B, N, width) in the model's own precision, padding included.

        Raises:
            BackendError: a sequence has more tokens than the model has positions.
        """
        self._check_length(past + max(row.stem for row in rows))
        if method == "cache" and rows[0].branches:
            return self._padded([self._walk(row, cache, past) for row in rows])
        stems = self._ids([row.tokens[: row.stem] for row in rows])
        if not rows[0].branches:
            return self.forward(stems, cache=cache)  # what follows a token does not change it: padding needs no mask
        cache = self.new_cache() if cache is None else cache
        below = self.forward(stems, cache=cache)
        above = self.forward(
            self._ids([row.tokens[row.stem :] for row in rows]),
            cache=cache,
            position_ids=past + self._ids([row.depth[row.stem :] for row in rows]),
            attention_mask=self._masks(rows, past, stems.shape[1]),
        )
        return self._padded(
            [torch.cat([s[: row.stem], b[: row.branches]]) for row, s, b in zip(rows, below, above, strict=True)]
        )

    def predictors(self, rows: Sequence[Row], method: Method) -> Tensor:
        """Return the states that make the predictions of some rows, (P, width) float32 in the order of their slots."""
        found = [self.states([row], method)[0, torch.from_numpy(row.predictor)].float() for row in rows]
        return torch.cat(found)[np.concatenate([row.slot for row in rows]).argsort()]

    def forward(self, tokens: Tensor, *, cache: Any = None, **arguments: Any) -> Tensor:
        """Return the states of (B, L) tokens, (B, L, width); the cache, where there is one, grows by them."""
        network = self.trunk if self.head.projects else self._model
        with evaluating(self._model):
            if self._forgets:
                network(input_ids=tokens[:1, :1], use_cache=False)  # or it would remember the longest row so far
            output = network(input_ids=tokens, past_key_values=cache, use_cache=cache is not None, **arguments)
        states: Tensor = output.last_hidden_state if self.head.projects else output.logits
        return states

    def ids(self, tokens: IntArray) -> Tensor:
        """Return token ids as the model takes them."""
        return torch.from_numpy(tokens).to(self.device)

    def new_cache(self) -> Any:
        """Return an empty cache; one that :func:`rewind` can take back where the model only attends."""
        return DynamicCache() if attends_only(self.config) else DynamicCache(config=self.config)

    @cached_property
    def head(self) -> Head:
        """What turns states into logits; it does not keep the trunk in memory."""
        head, tokens = Head(self._model), torch.arange(1, 9, device=self.device)[None] % self.vocabulary
        with evaluating(self._model):
            expected = self._model(input_ids=tokens, use_cache=False).logits.float()
            logits = head(self.trunk(input_ids=tokens, use_cache=False).last_hidden_state)
        close = bool((logits - expected).abs().max() <= self.tolerance * expected.abs().max())
        return head if close else Head(None)

    def _masks(self, rows: Sequence[Row], past: int, stem: int) -> Any:
        """Masks of the branches of B rows, (B, 1, R, past + stem + R), in the form that the model takes.

        Padding sees itself alone; windows count positions within a sequence, not places in the row.
        """
        attach = past + self._ids([row.attach for row in rows])[:, :, None]
        depth = past + self._ids([row.depth[row.stem :] for row in rows])[:, :, None]
        index = torch.arange(attach.shape[1], device=self.device)
        end = torch.maximum(self._ids([row.end for row in rows]), index + 1)[:, None, :]
        before = torch.arange(past + stem, device=self.device)
        sees = torch.cat([before < attach, (index[:, None] >= index) & (index[:, None] < end)], dim=2)
        positions = torch.cat([before.expand(len(rows), 1, -1), depth.mT], dim=2)
        by_kind = {}
        for kind, window in self._windows.items():
            near = sees if window is None else sees & (depth - positions < window)
            by_kind[kind] = self._as_mask(near[:, None])
        return by_kind.get("", by_kind)

    def _walk(self, row: Row, cache: Any, past: int) -> Tensor:
        """States of a tree's tokens, (N, width), branch after branch over the cache of what leads to it."""
        starts = np.flatnonzero(np.diff(row.depth, prepend=-2) != 1)  # elsewhere a token follows the one before it
        roots = row.depth[starts]
        parts: list[Tensor] = []
        cache = self.new_cache() if cache is None else cache
        kept: dict[int, Any] = {}
        for number, (start, stop) in enumerate(zip(starts, [*starts[1:], row.tokens.size], strict=True)):
            root, cuts = int(roots[number]), []
            if attends_only(self.config):
                rewind(cache, past + root)
            else:
                cache, cuts = copy.deepcopy(kept[root]) if number else cache, _later_roots(roots[number:])
            for a, b in zip([root, *cuts], [*cuts, root + int(stop - start)], strict=True):
                if b > a:
                    tokens = self._ids([row.tokens[start + a - root : start + b - root]])
                    parts.append(self.forward(tokens, cache=cache)[0])
                if b in cuts:
                    kept[b] = copy.deepcopy(cache)
        return torch.cat(parts)

    def _ids(self, columns: Sequence[IntArray]) -> Tensor:
        return self._padded([torch.from_numpy(column) for column in columns]).to(self.device)

    @staticmethod
    def _padded(tensors: Sequence[Tensor]) -> Tensor:
        return tensors[0][None] if len(tensors) == 1 else torch.nn.utils.rnn.pad_sequence([*tensors], batch_first=True)

    def _as_mask(self, sees: Tensor) -> Tensor:
        if self.config._attn_implementation == "sdpa":
            return sees
        return torch.zeros_like(sees, dtype=self._dtype).masked_fill(~sees, torch.finfo(self._dtype).min)

    def _check_length(self, length: int) -> None:
        """Learned positions end somewhere; rotary ones do not."""
        limit = getattr(self.config, "max_position_embeddings", None)
        if limit and length > limit and not getattr(self.config, "rope_parameters", None):
            raise BackendError(
                f"A sequence has {length:,} tokens and the model {limit:,} positions; shorten it with max_tokens."
            )


class Head:
    """The vocabulary matrix and what a model does to its output; the projection is in float32.

    Args:
        model: whose head it is; None for a model whose own logits serve as states, because it does more than is known
            here.
    """

    def __init__(self, model: Any) -> None:
        self.projects = model is not None
        self._matrix = model.get_output_embeddings() if self.projects else None
        self._rescale = _rescaling(model.config.get_text_config(decoder=True) if self.projects else None)

    @torch.inference_mode()
    def __call__(self, states: Tensor) -> Tensor:
        """Return the logits of some states, (..., vocabulary) float32."""
        return self.logits(states)

    def logits(self, states: Tensor) -> Tensor:
        """Return the same, with gradients."""
        matrix = self._matrix
        if matrix is None:
            return states.float()
        if type(matrix) is not torch.nn.Linear:  # an adapter or a quantised matrix
            return self._rescale(matrix(states).float())
        bias = None if matrix.bias is None else matrix.bias.float()
        return self._rescale(torch.nn.functional.linear(states.float(), matrix.weight.float(), bias).float())


def rewind(cache: Any, length: int) -> None:
    """Forget what a cache of attention layers holds beyond its first ``length`` tokens."""
    for layer in cache.layers:
        if layer.is_initialized:
            layer.keys, layer.values = layer.keys[..., :length, :], layer.values[..., :length, :]


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Without gradients and dropout, leaving each part of the model in the mode it was in."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def _later_roots(roots: IntArray) -> list[int]:
    """Lengths of the first run's path at which later runs branch off it, ascending."""
    found: list[int] = []
    for root in roots[1:]:
        if root <= roots[0]:
            break
        if not found or root < found[-1]:
            found.append(int(root))
    return found[::-1]


def _rescaling(config: Any) -> Callable[[Tensor], Tensor]:
    """What models do to the output of their vocabulary matrix."""
    if cap := getattr(config, "final_logit_softcapping", None):
        return lambda logits: torch.tanh(logits / cap) * cap
    if factor := getattr(config, "logit_scale", None):
        return lambda logits: logits * factor
    if divisor := getattr(config, "logits_scaling", None):
        return lambda logits: logits / divisor
    return lambda logits: logits
