"""The batch is a faithful, validated, read-only picture of the episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError, MissingColumnError


def episode(name: str, states: str, actions: str, rewards: list[float], **columns: Any) -> Episode:
    return Episode(
        env_id="test",
        task_id=columns.pop("task_id", "t"),
        group_id=columns.pop("group_id", "g"),
        episode_id=name,
        observations=tuple("you see " + s.lower() for s in states),
        state_keys=tuple(states),
        actions=tuple(actions),
        rewards=tuple(rewards),
        success=columns.pop("success", True),
        terminated=columns.pop("terminated", True),
        truncated=columns.pop("truncated", False),
        **columns,
    )


def test_columns_of_two_hand_made_episodes() -> None:
    batch = EpisodeBatch.from_episodes(
        [
            episode("a", "ABC", "xy", [0.0, 1.0], verifier=(1.0, float("nan"))),
            episode("b", "BB", "x", [0.5], success=False, terminated=False, truncated=True, group_id="h"),
        ]
    )
    assert batch.offsets.tolist() == [0, 2, 3]
    assert [batch.state_vocabulary[i] for i in batch.state] == ["A", "B", "B"]
    assert [batch.state_vocabulary[i] for i in batch.next_state] == ["B", "C", "B"]
    assert [batch.action_vocabulary[i] for i in batch.action] == ["x", "y", "x"]
    assert batch.group.tolist() == [0, 1]
    assert batch.episode.tolist() == [0, 0, 1]
    assert batch.step.tolist() == [0, 1, 0]
    assert batch.is_last.tolist() == [False, True, True]
    assert batch.episode_return.tolist() == [1.0, 0.5]
    np.testing.assert_array_equal(batch.require("verifier"), [1.0, np.nan, np.nan])


def test_states_can_be_pooled_by_what_the_agent_saw() -> None:
    batch = EpisodeBatch.from_episodes([episode("a", "Aa", "x", [0.0])], key="observation")
    assert batch.state[0] == batch.next_state[0]


def test_select_picks_every_column_of_the_chosen_episodes() -> None:
    recorded = [
        episode(
            name,
            "A" * (length + 1),
            "x" * length,
            [float(length)] * length,
            values=tuple(float(10 * length + i) for i in range(length + 1)),
            policy_logprobs=tuple((-float(length),) * (i + 1) for i in range(length)),
        )
        for name, length in (("a", 2), ("b", 0), ("c", 3))
    ]
    whole = EpisodeBatch.from_episodes(recorded)
    picked = whole.select([2, 1, 2, 0])
    again = EpisodeBatch.from_episodes([recorded[i] for i in (2, 1, 2, 0)])
    for name in ("offsets", "state", "reward", "value", "policy_logprob", "logprob_offsets", "success"):
        np.testing.assert_array_equal(getattr(picked, name), getattr(again, name), err_msg=name)


def test_a_missing_column_names_itself_and_its_wrapper() -> None:
    batch = EpisodeBatch.from_episodes([episode("a", "AB", "x", [1.0])])
    with pytest.raises(MissingColumnError, match=r"'verifier'.*RecordVerifier"):
        batch.require("verifier")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rewards": [float("nan")]}, "'reward' at step 0 of episode 'a' is nan: it must be a finite number"),
        ({"verifier": (float("inf"),)}, "'verifier' at step 0 of episode 'a' is inf"),
        ({"truncated": True}, "both terminated and truncated"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(change: dict[str, Any], sentence: str) -> None:
    arguments = {"rewards": [1.0], **change}
    with pytest.raises(BatchError, match=sentence):
        EpisodeBatch.from_episodes([episode("a", "AB", "x", **arguments)])


def test_an_episode_with_a_column_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(BatchError, match="1 actions but 2 verifier"):
        episode("a", "AB", "x", [1.0], verifier=(0.0, 1.0))


def test_columns_cannot_be_written_through_the_batch() -> None:
    batch = EpisodeBatch.from_episodes([episode("a", "AB", "x", [1.0])])
    with pytest.raises(ValueError, match="read-only"):
        batch.reward[0] = 2.0


def test_ragged_log_probabilities_must_have_the_same_tokens() -> None:
    with pytest.raises(BatchError, match="same tokens"):
        EpisodeBatch.from_episodes(
            [episode("a", "AB", "x", [1.0], policy_logprobs=((-1.0,),), reference_logprobs=((-1.0, -2.0),))]
        )
