"""How far a model may share what sequences have in common, and why not further.

A tree is exact only if a token's output depends on nothing but the tokens it may attend to and their distances. So a
model earns it twice: its configuration must name only layers and rotary embeddings known to be of that kind, and on a
small tree it must repeat what it computes for each sequence alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np

from credit_gym.agents.likelihood.forest import Job, Joins, Offer, Row, plant

if TYPE_CHECKING:
    from torch import Tensor

Method: TypeAlias = Literal["tree", "cache", "naive"]

_TREE_LAYERS = frozenset({"full_attention", "sliding_attention", "global"})
_CACHE_LAYERS = frozenset({*_TREE_LAYERS, "linear_attention"})
_STATIC_ROPE = frozenset({"default", "linear", "llama3", "yarn"})  # frequencies do not depend on the length
_BRANCH_WORTH = 64  # tokens that a separate forward over a copied cache must save


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a model may do.

    Attributes:
        method: "tree": shared prefixes and all branches in one forward, by a tree mask; "cache": branch by branch over
            the cached state of the prefix; "naive": every sequence by itself, but for prefixes of each other.
        reason: why not the method before it; empty for a tree.
        alone: sequences may not even lie beside longer ones (their rotary frequencies depend on the longest).
    """

    method: Method
    reason: str = ""
    alone: bool = False


class Candidate(Protocol):
    """What of a model is tried out.

    Attributes:
        config: its configuration.
        vocabulary: number of its tokens.
        tolerance: how far its outputs may move, as a share of the greatest.
    """

    config: Any
    vocabulary: int
    tolerance: float

    def predictors(self, rows: Sequence[Row], method: Method) -> Tensor:
        """Return the states that make the predictions of some rows."""
        ...


def choose_sharing(network: Candidate) -> Sharing:
    """Return the furthest sharing that a model's configuration allows and its own outputs confirm."""
    config = network.config
    layers = _layers(config)
    ropes = rope_types(config)
    if not ropes <= _STATIC_ROPE:
        names = ", ".join(sorted(ropes - _STATIC_ROPE))
        return Sharing("naive", f"{names} rotary embedding: its frequencies depend on the length", alone=True)
    reasons = []
    attempts: tuple[tuple[Method, frozenset[str]], ...] = (("tree", _TREE_LAYERS), ("cache", _CACHE_LAYERS))
    for method, allowed in attempts:
        if not layers <= allowed:
            reasons.append(f"no {method}: the model has {', '.join(sorted(layers - allowed))} layers")
        elif reason := _departs(network, method):
            reasons.append(f"no {method}: {reason}")
        else:
            return Sharing(method, "; ".join(reasons))
    return Sharing("naive", "; ".join(reasons))


def joining(sharing: Sharing, pair_cost: float) -> Joins:
    """Return the rule by which sequences share rows.

    Args:
        sharing: how rows with branches will be computed.
        pair_cost: cost of one entry of the attention matrix, in costs of pushing one token through everything else.
    """

    def tree(offer: Offer) -> bool:
        joined = _pairs(offer.size + offer.length - offer.shared, max(offer.stem, offer.length))
        apart = _pairs(offer.size, offer.stem) + _pairs(offer.length, offer.length)
        return offer.shared > 0 and offer.shared >= pair_cost * (joined - apart)

    def cache(offer: Offer) -> bool:
        return offer.shared == offer.last or offer.shared >= _BRANCH_WORTH

    def naive(offer: Offer) -> bool:
        return offer.shared == offer.last and (offer.length == offer.last or not sharing.alone)

    rules: dict[Method, Joins] = {"tree": tree, "cache": cache, "naive": naive}
    return rules[sharing.method]


def attends_only(config: Any) -> bool:
    """Whether a model has attention layers only, whose cache can be cut back to any length."""
    return _layers(config) <= _TREE_LAYERS


def windows(config: Any) -> dict[str, int | None]:
    """Attention window of each kind of layer, None for all; one entry "" where a model takes one mask for all."""
    sliding = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    kinds = sorted(set(getattr(config, "layer_types", None) or ()))
    if not kinds:
        return {"": sliding}
    return {kind: config.sliding_window if kind == "sliding_attention" else None for kind in kinds}


def _pairs(size: int, stem: int) -> float:
    """Entries of the attention matrix of a row: half a square for the stem, each branch token against all."""
    return stem * stem / 2 + (size - stem) * size


def rope_types(config: Any) -> set[str]:
    """The kinds of rotary embedding, one for all layers or one for each kind of layer."""
    parameters = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    nested = [value for value in parameters.values() if isinstance(value, dict)]
    return {str(each.get("rope_type", each.get("type", "default"))) for each in nested or [parameters]}


def _layers(config: Any) -> set[str]:
    return set(getattr(config, "layer_types", None) or getattr(config, "attention_layers", None) or ())


def _departs(network: Candidate, method: Method) -> str:
    """Why a small tree computed by a method is not what each sequence gives alone; empty if it is."""
    ids = (np.arange(24) * 7 + 1) % network.vocabulary
    jobs, slot = [], 0
    for shared, own in ((9, 0), (3, 5), (6, 4), (3, 9)):
        positions = np.arange(1, shared + own)
        jobs.append(Job(np.concatenate([ids[:shared], ids[9 : 9 + own]]), positions, slot + positions))
        slot += shared + own
    expected = network.predictors(plant(jobs, lambda *_: False), "naive")
    try:
        computed = network.predictors(plant(jobs, lambda *_: True), method)
    except Exception as error:  # noqa: BLE001 - whatever a foreign model raises, it cannot do this
        return f"{type(error).__name__} ({str(error).partition(chr(10))[0][:80]})"
    difference = float((computed - expected).abs().max() / expected.abs().max())
    return "" if difference < network.tolerance else f"its outputs move by {difference:.1%} on a small tree"
