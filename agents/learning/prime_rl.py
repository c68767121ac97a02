"""verifiers 0.4 and prime-rl: per-turn credit written onto the sampled nodes of a trace.

prime-rl has no hook for an algorithm of one's own: an ``Algorithm`` subclass added to its registry calls
:func:`assign_credits` from ``score_group`` (``docs/training.md`` shows it). Nothing is imported here: a trace is
anything with ``nodes`` that have ``sampled``, ``mask`` and ``advantages``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from credit_gym.agents.learning.trusting import remembering
from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.data.keys import Key
from credit_gym.errors import BatchError
from credit_gym.scorers import DEFAULT


def assign_credits(
    traces: Sequence[Any], episodes: Sequence[Episode], scorer: str = DEFAULT, *, key: Key = "state", **options: Any
) -> list[list[float]]:
    """Score episodes and write each turn's credit onto all sampled tokens of that turn's node.

    What the calls of a process teach of the verifier is told to the scorer at the next one, if it has the option
    ``trust`` and that is not given.

    Args:
        traces: one per episode, in the same order; node k that was sampled is turn k.
        episodes: the same rollouts as completed episodes, such as :mod:`credit_gym.formats.verifiers` makes of
            traces.
        scorer: a registered scorer.
        key: what states are pooled by.
        options: its keyword options.

    Returns:
        The credits of each trace, one a turn; a node without tokens has no place for its own.

    Raises:
        BatchError: a trace does not have one sampled node per turn.
    """
    sampled = [[node for node in trace.nodes if node.sampled] for trace in traces]
    if [len(nodes) for nodes in sampled] != [len(episode) for episode in episodes]:
        raise BatchError("Each trace must have one sampled node per turn of its episode, in the same order.")
    targets = iter(build_targets(episodes, remembering(scorer, options), key=key))
    credits = [[next(targets).credit for _ in nodes] for nodes in sampled]
    for nodes, earned in zip(sampled, credits, strict=True):
        for node, credit in zip(nodes, earned, strict=True):
            node.advantages = [credit] * sum(node.mask)
    return credits
