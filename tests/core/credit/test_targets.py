import math
from dataclasses import replace

import numpy as np
import pytest

from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.data.target import TrainingTarget, pair_with_credit
from credit_gym.errors import BatchError, MissingColumnError, UnknownNameError
from credit_gym.metrics.differentiation import differentiated, preference_table


def episode(number, cells, actions, **columns):
    return Episode(
        env_id="test",
        task_id="t",
        group_id="g",
        episode_id=str(number),
        observations=tuple(f"see {cell[0]}" for cell in cells),
        state_keys=tuple(cells),
        actions=tuple(actions),
        rewards=(0.0,) * (len(actions) - 1) + (1.0,) * bool(actions),
        success=True,
        terminated=True,
        truncated=False,
        **columns,
    )


FIRST = episode(0, ["a1", "b1", "c1"], ["x", "y"], policy_logprobs=((-1.0, -2.0), (-0.5,)))
SECOND = episode(1, ["a1", "c1"], ["z"], messages=(({"role": "user", "content": "hi"},),))


def test_every_step_is_paired_with_its_own_credit_in_order():
    targets = pair_with_credit([FIRST, SECOND], np.array([0.5, -1.0, 2.0]))
    assert [t[:5] for t in targets] == [
        ("0", 0, "a1", "x", 0.5),
        ("0", 1, "b1", "y", -1.0),
        ("1", 0, "a1", "z", 2.0),
    ]


def test_token_spans_and_messages_follow_the_step_they_belong_to():
    targets = pair_with_credit([FIRST, SECOND], np.zeros(3))
    assert [t.token_span for t in targets] == [(0, 2), (2, 3), None]
    assert [t.messages for t in targets] == [None, None, ({"role": "user", "content": "hi"},)]


def test_episodes_without_steps_shift_nothing():
    targets = pair_with_credit([episode(9, ["a1"], []), FIRST, episode(8, ["a1"], []), SECOND], np.arange(3.0))
    assert [(t.episode_id, t.credit) for t in targets] == [("0", 0.0), ("0", 1.0), ("1", 2.0)]


def test_a_credit_of_the_wrong_length_is_refused():
    with pytest.raises(BatchError, match="3 steps"):
        pair_with_credit([FIRST, SECOND], np.zeros(4))


def test_states_are_pooled_by_what_the_agent_saw_when_asked():
    assert [t.state_key for t in build_targets([FIRST], "outcome_only", key="observation")] == ["see a", "see b"]


def test_outcome_only_gives_every_step_its_episodes_return():
    assert [t.credit for t in build_targets([FIRST, SECOND], "outcome_only")] == [1.0, 1.0, 1.0]


def test_an_episode_that_failed_to_complete_has_no_targets():
    broken = episode(2, ["a1", "b1"], ["x"], error="TimeoutError: no answer")
    assert {t.episode_id for t in build_targets([FIRST, broken], "outcome_only")} == {"0"}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"verifier": (0.0, math.inf)}, "verifier at step 1 is inf"),
        ({"verifier": (-math.inf, 0.0)}, "verifier at step 0 is -inf"),
        ({"values": (0.0, 0.5, math.inf)}, "values at point 2 is inf"),
        ({"values": (-math.inf, 0.5, 0.5)}, "values at point 0 is -inf"),
        ({"rewards": (0.0, math.nan)}, "rewards at step 1 is nan"),
    ],
)
def test_a_number_that_nobody_can_compute_with_costs_its_own_episode(columns, says):
    whole = episode(2, ["a1", "b1", "c1"], ["x", "z"], verifier=(0.0, 1.0), values=(0.0, 0.5, 1.0))
    odd = replace(episode(3, ["a1", "b1", "c1"], ["y", "z"], verifier=(0.0, 1.0)), **columns)
    for scorer in ("adaptive_q", "gae", "outcome_only"):
        with pytest.warns(UserWarning, match=f"1 of 2 episodes are left out, first '3': BatchError: {says}"):
            assert build_targets([odd, whole], scorer) == build_targets([whole], scorer)


def test_a_missing_column_names_the_wrapper_that_records_it():
    with pytest.raises(MissingColumnError, match="RecordVerifier"):
        build_targets([FIRST], "branch_aware")


def test_an_unknown_scorer_is_named_with_the_nearest_known():
    with pytest.raises(UnknownNameError, match="branch_aware"):
        build_targets([FIRST], "branch_awear")


def target(state, action, credit):
    return TrainingTarget("e", 0, state, action, credit)


# Worked by hand: s has means x = 2, y = 2.005; t has x = 0, y = 1; u has one action only.
TARGETS = [
    target("s", "x", 1.0),
    target("s", "x", 3.0),
    target("s", "y", 2.005),
    target("t", "x", 0.0),
    target("t", "y", 1.0),
    target("u", "x", 5.0),
]


def test_preference_table_holds_means():
    assert preference_table(TARGETS) == {"s": {"x": 2.0, "y": 2.005}, "t": {"x": 0.0, "y": 1.0}, "u": {"x": 5.0}}


def test_a_state_is_differentiated_when_its_actions_span_more_than_the_threshold():
    table = preference_table(TARGETS)
    assert math.isclose(differentiated(table), 1 / 3)
    assert math.isclose(differentiated(table, threshold=0.001), 2 / 3)
    assert differentiated({}) == 0.0
