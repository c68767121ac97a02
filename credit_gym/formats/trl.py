"""Preferences: pairs of actions that one state tells apart (DPO), and turns that were good or bad (KTO)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from credit_gym.data.episode import Episode
from credit_gym.formats.credited_turns import Credit, Row, action_credits, credited_turns


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
        prompt = first[state, best].prompt
        for action, mean in worth.items():
            if worth[best] - mean > max(threshold, 0.0):
                yield {
                    "prompt": prompt,
                    "chosen": [{"role": "assistant", "content": best}],
                    "rejected": [{"role": "assistant", "content": action}],
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
                "completion": [{"role": "assistant", "content": turn.action}],
                "label": turn.credit > 0,
                "credit": turn.credit,
            }
