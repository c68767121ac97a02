"""A played episode as one row of tokens: what the model sampled, what it only read, and each token's credit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError


class TokenRow(NamedTuple):
    """One episode for a trainer, N tokens after the prompt.

    Attributes:
        prompt_ids: the tokens of the first turn's chat.
        completion_ids: (N,) everything after it: answers and what the environment said between them.
        mask: (N,) 1 on the tokens that the model sampled.
        credits: (N,) the credit of a sampled token's turn, 0 on the others.
        logprobs: (N,) log-probabilities at sampling in nats, 0 on the others; None where the backend gave none.
        left_out: number of turns at the end that the row does not hold.
    """

    prompt_ids: list[int]
    completion_ids: list[int]
    mask: list[int]
    credits: list[float]
    logprobs: list[float] | None
    left_out: int


def token_row(episode: Episode, credit: Sequence[float]) -> TokenRow:
    """Return an episode as a row: every turn's credit spread over the tokens that were sampled in that turn.

    A turn belongs to the row if its prompt begins with every token before it, which holds where the chat only grows and
    the tokens that were sampled are kept. The row ends before the first turn of which that is not true: another prompt
    would be another row.

    Args:
        episode: T turns with their token ids.
        credit: (T,) credit of each turn.

    Raises:
        BatchError: a turn has no token ids, or there is not one credit per turn.
    """
    if len(credit) != len(episode):
        raise BatchError(f"Episode {episode.episode_id!r} has {len(episode)} turns but {len(credit)} credits.")
    prompts, answers = episode.prompt_token_ids or (), episode.token_ids or ()
    if not prompts or not all(prompts) or not all(answers):
        raise BatchError(
            f"Episode {episode.episode_id!r} lacks token ids: play it with a backend that gives them, like hf:FOLDER."
        )
    logprobs = episode.policy_logprobs
    whole = list(prompts[0])
    start = len(whole)
    mask: list[int] = []
    credits: list[float] = []
    chances: list[float] = []
    held = 0
    for turn, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        if list(prompt[: len(whole)]) != whole:
            break
        read = len(prompt) - len(whole)
        whole += [*prompt[len(whole) :], *answer]
        mask += [0] * read + [1] * len(answer)
        credits += [0.0] * read + [float(credit[turn])] * len(answer)
        chances += [0.0] * read + list(logprobs[turn] if logprobs is not None else ())
        held += 1
    known = logprobs is not None and len(chances) == len(mask)
    return TokenRow(whole[:start], whole[start:], mask, credits, chances if known else None, len(episode) - held)
