"""Rows for TRL 1.16: turns worth imitating (SFT), pairs that one state tells apart (DPO), good and bad turns (KTO).

Messages are OpenAI's: tool calls are ``tool_calls``, whose arguments are JSON text, and a thought is
``reasoning_content``; what a message does not have is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from credit_gym.data.episode import Episode
from credit_gym.formats.credited_turns import Credit, Row, action_credits, credited_turns


def sft_rows(episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0) -> Iterator[Row]:
    """Yield one row for every turn whose credit is above a threshold.

    The completion is the action as it was sent to the environment, or its tool calls. ``credit`` travels along for
    weighting; TRL ignores columns that it does not know.

    Args:
        episodes: E episodes.
        credit: E rows of credits.
        threshold: the credit that a turn must exceed, in the scorer's units.

    Yields:
        ``{"prompt": [messages], "completion": [message], "credit": float, "episode_id": str, "step": int}``, what
        ``trl.SFTTrainer`` (1.16) reads as a conversational prompt-completion data set.

    Raises:
        BatchError: the credits do not match the episodes.
    """
    for turn in credited_turns(episodes, credit):
        if turn.credit > threshold:
            yield {
                "prompt": turn.prompt,
                "completion": [turn.answer],
                "credit": turn.credit,
                "episode_id": turn.episode.episode_id,
                "step": turn.step,
            }


def dpo_rows(episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0) -> Iterator[Row]:
    """Yield, for every state in which several actions were seen, the best one against each that is worth less.

    A state is the task together with ``state_key``; an action's worth is the mean of its credits there (Rafailov et
    al., 2023, arXiv:2305.18290, with the pair chosen by credit). The prompt is that of the first turn seen in the
    state that took the chosen action: where agents see histories, other turns of the state were reached by other ones.

    Args:
        episodes: E episodes.
        credit: E rows of credits.
        threshold: the difference that a pair must exceed, in the scorer's units.

    Yields:
        ``{"prompt": [messages], "chosen": [message], "rejected": [message], "credit_chosen": float,
        "credit_rejected": float}``, what ``trl.DPOTrainer`` (1.16) reads.

    Raises:
        BatchError: the credits do not match the episodes.
    """
    turns = list(credited_turns(episodes, credit))
    first = {(turn.state, turn.action): turn for turn in reversed(turns)}
    for state, worth in action_credits(turns).items():
        best = max(worth, key=worth.__getitem__)
        chosen = first[state, best]
        prompt, answer = chosen.prompt, chosen.answer
        for action, mean in worth.items():
            if worth[best] - mean > max(threshold, 0.0):
                yield {
                    "prompt": prompt,
                    "chosen": [answer],
                    "rejected": [first[state, action].answer],
                    "credit_chosen": worth[best],
                    "credit_rejected": mean,
                }


def kto_rows(episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0) -> Iterator[Row]:
    """Yield every turn whose credit is not zero, labelled by the credit's sign.

    A credit of zero says neither good nor bad and gives no row (Ethayarajh et al., 2024, arXiv:2402.01306).

    Args:
        episodes: E episodes.
        credit: E rows of credits.
        threshold: the size that a credit must exceed to count, in the scorer's units.

    Yields:
        ``{"prompt": [messages], "completion": [message], "label": bool, "credit": float}``, what ``trl.KTOTrainer``
        (1.16) reads.

    Raises:
        BatchError: the credits do not match the episodes.
    """
    for turn in credited_turns(episodes, credit):
        if abs(turn.credit) > threshold:
            yield {
                "prompt": turn.prompt,
                "completion": [turn.answer],
                "label": turn.credit > 0,
                "credit": turn.credit,
            }
