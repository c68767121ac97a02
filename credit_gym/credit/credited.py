"""Episodes with what scorers say of their steps, to look at and to compute with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from credit_gym.credit.assign import score_episodes, scored_batch
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import FloatArray
from credit_gym.data.keys import Key
from credit_gym.scorers import DEFAULT

_SHOWN = "credit_gym.report.notebook:credits_html"


@dataclass(frozen=True, slots=True, eq=False)
class Credited:
    """Credits of some episodes; a notebook shows them as a table tinted by credit.

    Attributes:
        episodes: E episodes with S steps together.
        credits: scorer -> (S,) credits, in the order of the episodes.
    """

    episodes: tuple[Episode, ...]
    credits: Mapping[str, FloatArray]

    def _repr_html_(self) -> str:
        shown: str = resolve_name(_SHOWN)(self)
        return shown


def credited(episodes: Iterable[Episode], *scorers: str, key: Key = "state", **options: Any) -> Credited:
    """Score episodes by one scorer or by several; those that did not complete soundly are left out.

    Args:
        episodes: recorded episodes; those of one group are compared with each other.
        scorers: registered scorers; the default one if there is none.
        key: what states are pooled by (:mod:`credit_gym.data.keys`).
        options: keyword options, which each of the scorers must have.

    Raises:
        CreditGymError: those of :func:`credit_gym.credit.assign.build_targets`.
    """
    completed, batch = scored_batch(episodes, key)
    each = {scorer: score_episodes(completed, batch, scorer, options) for scorer in scorers or (DEFAULT,)}
    return Credited(tuple(completed), each)
