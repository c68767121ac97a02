"""A belief kept up to date while a trajectory is played: nothing of its history is computed twice."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from credit_gym.agents.likelihood.beliefs import Aggregate, Belief, Branch, Probe, beliefs, combine
from credit_gym.agents.likelihood.forest import Job, Row, plant
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.logprobs import predictions
from credit_gym.agents.likelihood.network import rewind
from credit_gym.agents.likelihood.passes import Limits
from credit_gym.data.grouping import IntArray


class IncrementalBelief:
    """The belief of a model in a target, as its history grows.

    It equals what :func:`~credit_gym.agents.likelihood.beliefs.beliefs` gives at the same points, up to rounding. A
    model that can compute trees takes one pass over the new tokens and all branches; the branches are then cut off its
    cache. One that keeps a recurrent state asks on copies of it. Any other computes the whole history again.

    Args:
        lm: the believer.
        variants: surface forms of the target.
        distractors: what else it might be.
        aggregate: "sum" or "mean" over a target's tokens.
    """

    def __init__(
        self,
        lm: LanguageModel,
        variants: Sequence[Branch],
        distractors: Sequence[Branch] = (),
        *,
        aggregate: Aggregate = "sum",
    ) -> None:
        self._lm, self._aggregate = lm, aggregate
        self._variants, self._distractors = tuple(variants), tuple(distractors)
        self._context: IntArray = np.zeros(0, dtype=np.int64)
        self._cache: Any = None
        self._cached = 0  # the last token of the history stays out: what it predicts is needed again

    def append(self, ids: Sequence[int] | IntArray) -> Belief:
        """Return the belief at the point that more tokens of history lead to.

        Args:
            ids: what was said since the last call; the first call gives the whole prompt.

        Returns:
            A belief of one point.
        """
        self._context = np.concatenate([self._context, np.asarray(ids, dtype=np.int64)])
        probe = Probe((self._context,), self._variants, self._distractors)
        network = self._lm.network
        method, reason = network.sharing.method, network.sharing.reason
        if method == "naive" or not self._context.size:
            return beliefs(self._lm, [probe], aggregate=self._aggregate)[0]
        if self._cache is None:
            self._cache = network.new_cache()
        last = self._context.size - 1
        if method == "tree":
            row = _row(probe, self._cached)
            states = network.states([row], method, cache=self._cache, past=self._cached)
            rewind(self._cache, last)
        else:
            if last > self._cached:
                network.forward(network.ids(self._context[None, self._cached : last]), cache=self._cache)
            row = _row(probe, last)
            states = network.states([row], method, cache=copy.deepcopy(self._cache), past=last)
        self._cached = last
        columns = predictions(network, states[0], row.predictor, row.target, top_k=0, limits=Limits())
        return combine(probe, columns[0, np.argsort(row.slot)], self._aggregate, method, reason)


def _row(probe: Probe, cached: int) -> Row:
    """All branches of a probe's only point as one tree over what is not yet cached of its history."""
    known, jobs, slot = probe.contexts[0][cached:], [], 0
    for branch in probe.branches:
        wanted = np.arange(branch.start, branch.end)
        jobs.append(Job(np.concatenate([known, branch.ids]), known.size + wanted, slot + wanted - branch.start))
        slot += wanted.size
    (row,) = plant(jobs, lambda _: True)
    return row
