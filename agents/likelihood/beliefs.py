"""What a model believes in after every turn: log-probabilities of a target at all points of a trajectory at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.logprobs import Columns, TokenScores, evaluate, gather
from credit_gym.agents.likelihood.passes import Limits
from credit_gym.agents.likelihood.score_cache import ScoreCache
from credit_gym.agents.likelihood.sharing import Method
from credit_gym.data.grouping import FloatArray, IntArray
from credit_gym.errors import CreditGymError, unknown

Aggregate: TypeAlias = Literal["sum", "mean"]


class Branch(NamedTuple):
    """What is appended to a history to ask for a belief.

    Attributes:
        ids: (N,) token ids: the elicitation and then the target.
        start: index of the first token of the target.
        end: one past the last one; what follows it is not read.
    """

    ids: IntArray
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One trajectory and what is asked at each of its points.

    Attributes:
        contexts: token ids known at each of the T+1 points (before the first action, after every observation). Where
            one begins with another, as a chat does that only grows, what they share is computed once; where a chat
            template rewrites earlier messages it is not, and the beliefs are as exact.
        variants: surface forms of the target ("tiger", "a tiger"); their probabilities add up.
        distractors: what else it might be, one form each.
    """

    contexts: tuple[IntArray, ...]
    variants: tuple[Branch, ...]
    distractors: tuple[Branch, ...] = ()

    def __post_init__(self) -> None:
        contexts = tuple(np.asarray(context, dtype=np.int64) for context in self.contexts)
        object.__setattr__(self, "contexts", contexts)
        if not self.variants:
            raise CreditGymError("A probe needs a target: give it at least one variant.")
        if any(not 0 <= branch.start < branch.end <= len(branch.ids) for branch in self.branches):
            raise CreditGymError("A target has no tokens in its branch: its start must lie before its end.")
        if any(not context.size and branch.start == 0 for context in contexts for branch in self.branches):
            raise CreditGymError("The first token of a target follows nothing: a belief needs a history or a question.")

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Variants, then distractors."""
        return (*self.variants, *self.distractors)


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What a model believed along a trajectory.

    Attributes:
        log_belief: (T+1,) log-probability of the target, nats.
        distractors: (T+1, K) log-probability of each distractor, nats.
        method: how it was computed: "tree", "cache", "naive", or "stored" where a cache had it.
        reason: why not in one tree, empty if it was.
    """

    log_belief: FloatArray
    distractors: FloatArray
    method: str
    reason: str

    @property
    def distractor_log_belief(self) -> FloatArray:
        """(T+1,) log of the summed probability of the distractors, -inf without any."""
        summed: FloatArray = np.logaddexp.reduce(self.distractors, axis=1, initial=-np.inf)
        return summed


def beliefs(
    lm: LanguageModel,
    probes: Sequence[Probe],
    *,
    aggregate: Aggregate = "sum",
    limits: Limits | None = None,
    cache: ScoreCache | None = None,
) -> list[Belief]:
    """Return the beliefs of a model at every point of many trajectories.

    ``log b_t = logsumexp_v sum_j log p(y^v_j | h_t, e, y^v_<j)`` over the variants v of the target y, with history h_t
    and elicitation e, at temperature 1 (delta-belief, arXiv:2602.12342). Histories are computed once, all branches
    hang off them; a target token that is the last of its branch is only predicted, so single-token distractors after
    one elicitation cost nothing but their place in one row of logits.

    Args:
        lm: the believer.
        probes: the trajectories.
        aggregate: "sum" of the target's token log-probabilities, or their "mean".
        limits: memory; a cap on tokens is refused, because a belief without its history is another belief.
        cache: where results are kept and looked up by content.

    Returns:
        One belief for each probe.

    Raises:
        UnknownNameError: there is no such aggregate.
        CreditGymError: a token id lies outside the vocabulary.
        BackendError: the model cannot be loaded, or a history is longer than its positions.
    """
    return beliefs_and_logprobs(lm, probes, (), aggregate=aggregate, limits=limits, cache=cache)[0]


def beliefs_and_logprobs(
    lm: LanguageModel,
    probes: Sequence[Probe],
    sequences: Sequence[TokenSequence],
    *,
    aggregate: Aggregate = "sum",
    limits: Limits | None = None,
    cache: ScoreCache | None = None,
) -> tuple[list[Belief], TokenScores]:
    """Return beliefs and the log-probabilities of action tokens from one pass over what they share.

    Args:
        lm: the model, believer and scorer in one.
        probes: as for :func:`beliefs`.
        sequences: as for :func:`~credit_gym.agents.likelihood.logprobs.score_tokens`, of the same trajectories or not.
        aggregate: "sum" or "mean" over a target's tokens.
        limits: memory.
        cache: where results are kept and looked up by content.

    Returns:
        The beliefs of each probe, and the scores of the sequences.

    Raises:
        UnknownNameError: there is no such aggregate.
        CreditGymError: a token id lies outside the vocabulary, or there is a cap on tokens.
        BackendError: the model cannot be loaded, or a sequence is longer than its positions.
    """
    limits = limits or Limits()
    if aggregate not in get_args(Aggregate):
        raise unknown("aggregate", aggregate, get_args(Aggregate))
    if limits.max_tokens is not None:
        raise CreditGymError("Beliefs need the whole history; leave max_tokens out.")
    how: dict[int, tuple[Method, str]] = {}

    def compute(missing: Sequence[int]) -> list[Columns]:
        tokens = [sequences[index] for index in missing if index < len(sequences)]
        asked = [index - len(sequences) for index in missing if index >= len(sequences)]
        branches = [_sequences(probes[index]) for index in asked]
        everything = [*tokens, *(each for probe in branches for each in probe)]
        columns, methods = evaluate(lm, everything, limits=limits, plain=len(everything) - len(tokens))
        tables, place = columns[: len(tokens)], len(tokens)
        for index, probe in zip(asked, branches, strict=True):
            tables.append(np.concatenate(columns[place : place + len(probe)], axis=1)[:1])
            how[index] = max(methods[place : place + len(probe)], key=lambda each: _SAID.index(each[0]))
            place += len(probe)
        return tables

    if cache is None:
        tables: Sequence[Columns] = compute(range(len(sequences) + len(probes)))
    else:
        keys = [cache.key(lm.identity, "tokens", None, limits.top_k, each.ids, each.spans) for each in sequences]
        keys += [cache.key(lm.identity, "probe", probe.contexts, probe.branches) for probe in probes]
        tables = cache.fetch(keys, compute)
    found = [
        combine(probe, table[0], aggregate, *how.get(index, ("stored", "")))
        for index, (probe, table) in enumerate(zip(probes, tables[len(sequences) :], strict=True))
    ]
    return found, gather(sequences, tables[: len(sequences)])


def combine(probe: Probe, logprobs: npt.NDArray[np.float32], aggregate: Aggregate, method: str, reason: str) -> Belief:
    """Return the belief that the log-probabilities of the target tokens make, point by point, branch by branch."""
    widths = np.array([branch.end - branch.start for branch in probe.branches])
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
    by_point = logprobs.astype(np.float64).reshape(len(probe.contexts), -1)
    sums = np.add.reduceat(by_point, starts, axis=1)
    values = sums / widths if aggregate == "mean" else sums
    count = len(probe.variants)
    return Belief(np.logaddexp.reduce(values[:, :count], axis=1), values[:, count:], method, reason)


_SAID = ("tree", "naive", "cache")  # of several methods in one belief the last one here names it


def _sequences(probe: Probe) -> list[TokenSequence]:
    return [
        TokenSequence(
            np.concatenate([context, branch.ids[: branch.end]]),
            ((context.size + branch.start, context.size + branch.end),),
        )
        for context in probe.contexts
        for branch in probe.branches
    ]
