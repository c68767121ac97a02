"""Attribution rules on the worked examples of the specification, and against plain loops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.errors import BatchError, UnknownNameError
from credit_gym.metrics.attribution import (
    RULES,
    Logs,
    baseline_predictions,
    compare,
    label_rank,
    plain_name,
    predict,
    uniform_expectation,
)

T, F = True, False
WORKED = [  # scores, valid, min_cumulative, sharpest_drop, sharpest_abs_drop
    ([0, 1, -0.5, 0.2, -0.9, 0.4], [F, T, T, T, T, T], 4, 4, 2),
    ([0.5, 0.2, 0.7], None, 0, 0, 1),
    ([0.1, 0.2, 0.3], None, 0, 0, 0),
    ([-1, -2, -0.5], None, 2, 1, 1),
    ([0, 0, 0, 0], None, 0, 0, 1),
    ([0, -0.3, 0, -0.3], [F, T, F, T], 3, 1, 3),
]


def logs_of(*valid: list[bool], error: list[int] | None = None, **columns: object) -> Logs:
    sizes = [len(v) for v in valid]
    flat = np.concatenate([np.array(v, dtype=bool) for v in valid])
    return Logs(
        np.cumsum([0, *sizes]),
        flat,
        np.asarray(columns.pop("length", np.ones(flat.size)), dtype=np.int64),
        np.array(error or [0] * len(sizes)),
        **columns,
    )


def test_the_worked_examples_hold_and_logs_do_not_disturb_each_other() -> None:
    logs = logs_of(*(valid or [T] * len(score) for score, valid, *_ in WORKED))
    score = np.concatenate([np.array(score, dtype=float) for score, *_ in WORKED])
    for column, rule in enumerate(("min_cumulative", "sharpest_drop", "sharpest_abs_drop"), 2):
        assert predict(rule, score, logs).tolist() == [row[column] for row in WORKED], rule


@pytest.mark.slow
@given(st.lists(st.lists(st.tuples(st.sampled_from((-2.0, -0.5, 0.0, 0.5)), st.booleans()), min_size=1), min_size=1))
def test_rules_equal_plain_loops(drawn: list[list[tuple[float, bool]]]) -> None:
    logs = logs_of(*([v for _, v in log] for log in drawn))
    score = np.array([s for log in drawn for s, _ in log])
    for rule, expected in LOOPS.items():
        assert predict(rule, score, logs).tolist() == [expected(log) for log in drawn], rule


def loop_min_cumulative(log: list[tuple[float, bool]]) -> int:
    total, best, where = 0.0, np.inf, 0
    for i, (score, valid) in enumerate(log):
        total += score if valid else 0.0
        if valid and total < best:
            best, where = total, i
    return where


def loop_sharpest_drop(log: list[tuple[float, bool]]) -> int:
    steps = [(s, i) for i, (s, v) in enumerate(log) if v]
    if not steps:
        return 0
    return steps[0][1] if all(s >= 0 for s, _ in steps) else min(steps)[1]


def loop_sharpest_abs_drop(log: list[tuple[float, bool]]) -> int:
    steps = [(s, i) for i, (s, v) in enumerate(log) if v]
    drops = [(b - a, j) for (a, _), (b, j) in pairwise(steps) if b - a <= 0]
    return min(drops)[1] if drops else steps[0][1] if steps else 0


def loop_threshold(log: list[tuple[float, bool]]) -> int:
    steps = [(s, i) for i, (s, v) in enumerate(log) if v]
    under = [i for s, i in steps if s < 0.5]
    return under[0] if under else min(steps)[1] if steps else 0


LOOPS = {
    "min_cumulative": loop_min_cumulative,
    "sharpest_drop": loop_sharpest_drop,
    "sharpest_abs_drop": loop_sharpest_abs_drop,
    "threshold": loop_threshold,
}


def test_every_rule_has_a_loop_to_compare_with() -> None:
    assert LOOPS.keys() == RULES.keys()


@given(st.lists(st.integers(1, 9), min_size=1))
def test_a_signal_below_zero_everywhere_makes_min_cumulative_name_the_last_step(sizes: list[int]) -> None:
    logs = logs_of(*([T] * size for size in sizes))
    score = -np.random.default_rng(0).uniform(0.1, 5.0, sum(sizes))
    assert predict("min_cumulative", score, logs).tolist() == [size - 1 for size in sizes]


def test_a_missing_reading_is_never_predicted() -> None:
    logs = logs_of([T, T, T])
    assert predict("sharpest_drop", np.array([np.nan, -0.1, 0.2]), logs).tolist() == [1]
    assert predict("min_cumulative", np.array([0.3, 0.2, np.nan]), logs).tolist() == [0]


def test_agents_are_compared_by_plain_name() -> None:
    logs = logs_of([T, T], error=[1], agent=("human", "Orchestrator (thought)"), culprit=("orchestrator",))
    found = compare(np.array([1]), logs)
    assert found.hit.all()
    assert found.agent_hit.all()
    assert plain_name("WebSurfer") == plain_name("Websurfer")


def test_the_rank_of_the_label_shares_ties() -> None:
    logs = logs_of([T, T, T, F], [T, T], error=[1, 0])
    score = np.array([-1.0, 0.0, 0.0, -9.0, np.nan, 1.0])
    assert label_rank(score, logs).tolist() == [2.5, np.inf]


def test_baselines_without_a_model() -> None:
    logs = logs_of([F, T, T], [T, T, T, T], error=[2, 1], length=[9, 2, 3, 1, 5, 5, 2])
    named = {name: p.tolist() for name, p in baseline_predictions(logs, constants=(2,)).items()}
    assert named == {
        "first valid step": [1, 0],
        "last step": [2, 3],
        "longest step": [2, 1],
        "constant step 2": [2, 2],
    }
    hit, distance = uniform_expectation(logs)
    assert hit.tolist() == [0.5, 0.25]
    assert distance.tolist() == [0.5, 1.0]


def test_bad_input_is_named() -> None:
    logs = logs_of([T])
    with pytest.raises(UnknownNameError, match="min_cumulative"):
        predict("min_cumul", np.zeros(1), logs)
    with pytest.raises(BatchError, match="1 messages but 2 scores"):
        predict("threshold", np.zeros(2), logs)
