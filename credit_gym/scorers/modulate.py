"""Modulators: any credit, scaled by how unsure the policy was of the step.

With H the mean token entropy of a step, ``h = (H - min H) / (max H - min H)``, ``a(h) = exp(-k h) / mean exp(-k h)``:

* ``empg``: ``a(h_t) c_t + z exp(-k' h_{t+1})``, then centred (Wang et al. 2025, EMPG, arXiv:2509.09265, and the
  pseudocode of its project page);
* ``aem-like``: ``a(h_t) c_t`` (Zhao et al. 2026, AEM, arXiv:2605.00425; from a summary: what its group is, and k, are
  not settled there);
* ``carl-like``: ``c_t`` at the states of highest H, 0 elsewhere (Shen et al. 2025, CARL, arXiv:2512.04949; from its
  abstract and a review: the published rollout forks at those states, and how many it keeps is not settled there).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import BoolArray, FloatArray, IntArray, group_mean, group_size
from credit_gym.errors import OptionError
from credit_gym.estimation.modes import Mode, is_upstream
from credit_gym.estimation.normalise import centre
from credit_gym.estimation.ranges import NonNegative, Range
from credit_gym.estimation.siblings import context_mean, siblings
from credit_gym.estimation.token_scores import LOG_FLOOR, aggregate_tokens, complete, token_column
from credit_gym.scorers.registry import get, read_options, register, score

By = Literal["empg", "aem-like", "carl-like"]
Uncertainty = Literal["entropy", "surprisal"]

_COLUMN: dict[str, str] = {"entropy": "policy_entropy", "surprisal": "policy_logprob"}
_UPSTREAM_EPSILON = 1e-8
_ROUNDING = 1e-9


def _needs(
    *, base: str, base_options: dict[str, Any] | None, by: str, uncertainty: str, mode: Mode, **_: Any
) -> Iterable[str]:
    if base == "modulate":
        raise OptionError("The option base of modulate must be another scorer: a modulated credit is not modulated.")
    if is_upstream(mode) and by != "empg":
        raise OptionError(f"The option mode of modulate must be 'default' for by={by!r}, whose code is not published.")
    return {_COLUMN[uncertainty], *get(base).needs_with(read_options(base, base_options or {}))}


@register("modulate", needs={"policy_entropy"}, needs_by=_needs, reference="Wang et al. 2025, EMPG, arXiv:2509.09265")
def modulate(
    batch: EpisodeBatch,
    *,
    base: str = "grpo",
    base_options: dict[str, Any] | None = None,
    by: By = "empg",
    uncertainty: Uncertainty = "entropy",
    decay: NonNegative = 1.0,
    bonus: float = 0.1,
    bonus_decay: NonNegative = 1.0,
    keep: Annotated[float, Range("(0, 1]")] = 0.3,
    mode: Mode = "default",
) -> FloatArray:
    """A step gets the credit that another scorer gives it, scaled by how sure the policy was.

    With c the base credit, H a step's uncertainty, ``h = (H - min H) / (max H - min H)`` and
    ``a(h) = exp(-k h) / mean exp(-k h)``, both over the steps of the group:

    * ``empg``: ``A_t = a(h_t) c_t + z exp(-k' h_{t+1})`` less its mean over the group; no bonus after the last step;
    * ``aem-like``: ``A_t = a(h_t) c_t``;
    * ``carl-like``: ``A_t = c_t`` where H of the state is among the highest of the group, else 0. On a replay tree H of
      a state is the mean over the plays taken at it. The gain that CARL pays is ``base="at2po"`` with
      ``base_options={"against": "parent"}``, or ``vine``.

    Where all are equally sure, ``empg`` without a bonus centres the base credit, and the others leave it as it is.

    Args:
        batch: the episodes, with the column of the uncertainty and what the base needs.
        base: a registered scorer.
        base_options: its options, such as ``{"discount": 0.9}``.
        by: see above.
        uncertainty: H is the mean over a step's tokens of the policy's "entropy", or of its "surprisal"
            ``-log pi``, which has the same mean and more noise, and needs log-probabilities only.
        decay: k in [0, inf), of empg and aem-like.
        bonus: z of empg, in units of the base credit.
        bonus_decay: k' in [0, inf), of empg.
        keep: share of the states of a group that carl-like keeps, in (0, 1]; at least one, and all that tie with it.
        mode: "upstream" takes minimum, maximum and means of empg over the whole batch, with the published epsilons of
            1e-8. A group's credit then hangs on the others.

    Returns:
        (S,) float64, in units of the base credit. A step without a reading counts as the mean of its group.

    Raises:
        UnknownNameError: there is no such scorer, or it has no such option.
        OptionError: the base does not take the value of an option, or the base is ``modulate``.
        MissingColumnError: the batch lacks a column that the base needs.
    """
    credit = score(batch, base, **read_options(base, base_options or {}))
    doubt = _doubt(batch, uncertainty)
    return _BY[by](batch, credit, doubt, _Strength(decay, bonus, bonus_decay, keep, is_upstream(mode)))


class _Strength(NamedTuple):
    decay: float
    bonus: float
    bonus_decay: float
    keep: float
    upstream: bool


def _doubt(batch: EpisodeBatch, uncertainty: str) -> FloatArray:
    """How unsure the policy was of each step, nats a token; (S,)."""
    most = -LOG_FLOOR if uncertainty == "entropy" else 0.0
    tokens = token_column(batch, _COLUMN[uncertainty], most=most)
    mean = aggregate_tokens(tokens, batch.require("logprob_offsets"), "mean")
    return complete(batch, mean if uncertainty == "entropy" else -mean)


def _empg(batch: EpisodeBatch, credit: FloatArray, doubt: FloatArray, strength: _Strength) -> FloatArray:
    everything = np.zeros(batch.num_steps, dtype=np.int64)
    ids, count = (everything, 1) if strength.upstream else (batch.step_group, batch.num_groups)
    epsilon = _UPSTREAM_EPSILON if strength.upstream else 0.0
    level = _from_0_to_1(doubt, ids, count, epsilon)
    clarity = np.exp(-strength.bonus_decay * level)
    following = np.where(batch.is_last, 0.0, np.roll(clarity, -1))
    return centre(
        credit * _attention(level, ids, count, strength.decay, epsilon) + strength.bonus * following, ids, count
    )


def _aem(batch: EpisodeBatch, credit: FloatArray, doubt: FloatArray, strength: _Strength) -> FloatArray:
    ids, count = batch.step_group, batch.num_groups
    return credit * _attention(_from_0_to_1(doubt, ids, count), ids, count, strength.decay)


def _carl(batch: EpisodeBatch, credit: FloatArray, doubt: FloatArray, strength: _Strength) -> FloatArray:
    tree = siblings(batch)
    of_state, owner = np.zeros(tree.contexts), np.zeros(tree.contexts, dtype=np.int64)
    of_state[tree.context] = context_mean(doubt, tree)
    owner[tree.context] = batch.step_group
    return np.where(_highest(of_state, owner, batch.num_groups, strength.keep)[tree.context], credit, 0.0)


_BY: dict[str, Callable[[EpisodeBatch, FloatArray, FloatArray, _Strength], FloatArray]] = {
    "empg": _empg,
    "aem-like": _aem,
    "carl-like": _carl,
}


def _from_0_to_1(values: FloatArray, ids: IntArray, count: int, epsilon: float = 0.0) -> FloatArray:
    """Place of each value between the least and the largest of its group, 0 where they are equal; (M,)."""
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, ids, values)
    np.maximum.at(high, ids, values)
    width = (high - low)[ids] + epsilon
    place: FloatArray = np.divide(values - low[ids], width, out=np.zeros_like(values), where=width > 0.0)
    return place


def _attention(level: FloatArray, ids: IntArray, count: int, decay: float, epsilon: float = 0.0) -> FloatArray:
    """``exp(-k h)`` over its mean in the group, which the surest step keeps above 0; (M,)."""
    weight = np.exp(-decay * level)
    return weight / (group_mean(weight, ids, count) + epsilon)[ids]


def _highest(values: FloatArray, ids: IntArray, count: int, share: float) -> BoolArray:
    """Whether each value is among the highest share of its group, ties and rounding in its favour; (M,)."""
    size = group_size(ids, count)
    last = np.cumsum(size) - size + np.maximum(np.ceil(share * size - _ROUNDING), 1.0).astype(np.int64) - 1
    falling = values[_falling_by_group(values, ids, count)]
    filled = size > 0
    least = np.zeros(count)
    least[filled] = falling[last[filled]]
    return values >= (least - _ROUNDING * np.abs(least))[ids]


def _falling_by_group(values: FloatArray, ids: IntArray, count: int) -> IntArray:
    """Order of the values by group, the largest first; small ids are sorted in O(M). (M,)."""
    falling = np.argsort(-values)
    return falling[np.argsort(ids[falling].astype(np.min_scalar_type(count)), kind="stable")]
