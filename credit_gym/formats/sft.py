"""Supervised fine-tuning on the turns that earned something: TRL's prompt-completion format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from credit_gym.data.episode import Episode
from credit_gym.formats.credited_turns import Credit, Row, credited_turns


def sft_rows(episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0) -> Iterator[Row]:
    """Yield one row for every turn whose credit is above a threshold.

    The completion is the action as it was sent to the environment. ``credit`` travels along for weighting; TRL ignores
    columns that it does not know.

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
                "completion": [{"role": "assistant", "content": turn.action}],
                "credit": turn.credit,
                "episode_id": turn.episode.episode_id,
                "step": turn.step,
            }
