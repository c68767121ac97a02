"""Rows for OpenRLHF, which keeps one scalar per trajectory: each turn is a prompt, its credits are the label."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from credit_gym.data.episode import Episode
from credit_gym.formats.credited_turns import Credit, Row, action_credits, credited_turns


def openrlhf_rows(episodes: Sequence[Episode], credit: Credit, *, threshold: float = 0.0) -> Iterator[Row]:
    """Yield one row for every state in which a turn has a credit.

    A reward function looks the model's answer up in the label, a JSON object of the actions seen in the state and
    their mean credits; an action that was never seen has no known credit (see ``docs/training.md``). Per-turn credit
    cannot reach OpenRLHF 0.11's loss another way: an agent's experience carries one reward.

    Args:
        episodes: E episodes.
        credit: E rows of credits.
        threshold: the span of mean credits that a state must reach to be written; 0 writes all.

    Yields:
        ``{"input": [messages], "label": str}``, for ``--data.input_key input --data.label_key label``.

    Raises:
        BatchError: the credits do not match the episodes.
    """
    turns = list(credited_turns(episodes, credit))
    first = {turn.state: turn for turn in reversed(turns)}
    for state, worth in action_credits(turns).items():
        if max(worth.values()) - min(worth.values()) >= threshold:
            yield {"input": first[state].prompt, "label": json.dumps(worth, ensure_ascii=False)}
