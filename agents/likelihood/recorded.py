"""Recorded episodes as token sequences: scored on the very tokens that were answered and sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from credit_gym.agents.likelihood.divergence import Diverge, token_divergence
from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.logprobs import Means, TokenScores, score_tokens
from credit_gym.data.episode import Episode
from credit_gym.data.grouping import IntArray
from credit_gym.errors import MissingColumnError


def episode_sequences(episode: Episode) -> list[TokenSequence]:
    """Return one sequence for each step of an episode: the recorded prompt, and the recorded action as the span.

    Nothing is tokenised again. The prompts of an episode mostly begin with each other, so that scoring computes
    them once; where a prompting policy dropped or rewrote earlier turns they do not, and each step is scored on what
    it answered.

    Raises:
        MissingColumnError: the tokens were not recorded.
    """
    if episode.token_ids is None or episode.prompt_token_ids is None:
        raise MissingColumnError(
            f"Episode {episode.episode_id!r} has no token ids: play it with an agent whose backend returns them (hf:, "
            "vllm:), or score its text with chat_sequences."
        )
    return [
        TokenSequence(np.asarray((*prompt, *ids), dtype=np.int64), ((len(prompt), len(prompt) + len(ids)),))
        for prompt, ids in zip(episode.prompt_token_ids, episode.token_ids, strict=True)
    ]


def score_episodes(lm: LanguageModel, episodes: Sequence[Episode], **means: Unpack[Means]) -> TokenScores:
    """Return the columns of all action tokens of some episodes; span i is step i of the batch of these episodes."""
    sequences = [each for episode in episodes for each in episode_sequences(episode)]
    return score_tokens(lm, sequences, **means)


def with_policy_scores(lm: LanguageModel, episodes: Sequence[Episode], **means: Unpack[Means]) -> list[Episode]:
    """Return the episodes with ``policy_logprobs``, ``policy_entropies`` and ``policy_top_logprobs`` of a model."""
    scores = score_episodes(lm, episodes, **means)
    return _with_columns(
        episodes,
        scores.offsets,
        policy_logprobs=scores.logprob,
        policy_entropies=scores.entropy,
        policy_top_logprobs=scores.top_k_mean,
    )


def with_reference_scores(
    lm: LanguageModel,
    episodes: Sequence[Episode],
    *,
    policy: LanguageModel | None = None,
    diverge: Diverge | None = None,
    **means: Unpack[Means],
) -> list[Episode]:
    """Return the episodes with ``reference_logprobs`` of a model, and ``policy_kls`` if the policy is given.

    The models need the same vocabulary: a log-ratio is between probabilities of the same token.
    """
    scores = score_episodes(lm, episodes, **means)
    columns = {"reference_logprobs": scores.logprob}
    if policy is not None:
        sequences = [each for episode in episodes for each in episode_sequences(episode)]
        limits, cache = means.get("limits"), means.get("cache")
        columns["policy_kls"] = token_divergence(policy, lm, sequences, limits=limits, cache=cache, compute=diverge)
    return _with_columns(episodes, scores.offsets, **columns)


def _with_columns(episodes: Sequence[Episode], offsets: IntArray, **columns: npt.NDArray[np.float32]) -> list[Episode]:
    """The episodes with flat token columns as tuples of tuples."""
    steps = pairwise(offsets)
    filled = []
    for episode in episodes:
        spans = [next(steps) for _ in range(len(episode))]
        own: Any = {name: tuple(tuple(map(float, flat[a:b])) for a, b in spans) for name, flat in columns.items()}
        filled.append(replace(episode, **own))
    return filled
