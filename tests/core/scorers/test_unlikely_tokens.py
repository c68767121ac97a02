"""Impossible, missing and absurd readings: a documented floor, or an error that names the episode and the step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from builders.batches import Run, batch_of
from builders.episodes import walk
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym import scorers
from credit_gym.credit.assign import build_targets
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import BatchError, MissingColumnError, ReadingError
from credit_gym.estimation.log_beliefs import BELIEF_FLOOR
from credit_gym.estimation.token_scores import AGGREGATIONS, LOG_FLOOR, aggregate_tokens
from credit_gym.scorers import score

INF, NAN = math.inf, math.nan
TOKEN_COLUMNS = ("policy_logprob", "reference_logprob", "policy_top_logprob", "policy_entropy", "policy_kl")
TOKEN_SCORERS = [name for name in scorers.names() if scorers.get(name).needs & set(TOKEN_COLUMNS)]
BELIEF_SCORERS = [name for name in scorers.names() if any(n.endswith("log_belief") for n in scorers.get(name).needs)]
every_token_scorer = pytest.mark.parametrize("name", TOKEN_SCORERS)


def tokens(rows: list[list[float]], **columns: list[list[float]]) -> EpisodeBatch:
    """One episode; the columns that are not given hold ordinary readings."""
    ordinary = {name: [[0.3 if name[-1] in "yl" else -0.7 for _ in row] for row in rows] for name in TOKEN_COLUMNS}
    flat = {
        n: np.array([v for row in r for v in row]) for n, r in {**ordinary, "policy_logprob": rows, **columns}.items()
    }
    run = Run(path=[0] * (len(rows) + 1), actions=[0] * len(rows))
    return batch_of([run], logprob_offsets=np.cumsum([0, *map(len, rows)]), **flat)


def test_the_floor_is_the_smallest_probability_of_a_float32() -> None:
    assert pytest.approx(-103.2789, abs=1e-4) == LOG_FLOOR
    assert np.exp(LOG_FLOOR) == pytest.approx(float(np.finfo(np.float32).smallest_subnormal))


@pytest.mark.parametrize("value", [-INF, -9999.0, -1e30, -104.0])
def test_what_is_too_unlikely_to_tell_counts_as_the_floor(value: float) -> None:
    batch = tokens([[value, -1.0], [-1.0]])
    mean = (LOG_FLOOR - 1.0) / 2
    assert score(batch, "policy_logprob").tolist() == [mean, -1.0]
    assert score(batch, "policy_logprob", tokens="min").tolist() == [LOG_FLOOR, -1.0]
    assert score(batch, "negative_perplexity").tolist() == pytest.approx([-math.exp(-mean), -math.e])
    assert score(batch, "reference_logprob").tolist() == pytest.approx([-0.7, -0.7])
    assert score(batch, "progress_advantage").tolist() == pytest.approx([mean + 0.7, -0.3])
    certain = tokens([[-1.0], [-1.0]], policy_top_logprob=[[value], [-13.0]])
    assert score(certain, "self_certainty").tolist() == pytest.approx([-LOG_FLOOR, 13.0])


def test_infinite_entropy_and_divergence_count_as_the_floor_allows() -> None:
    batch = tokens([[-1.0], [-1.0]], policy_entropy=[[INF], [0.5]], policy_kl=[[INF], [0.3]])
    assert score(batch, "negative_entropy").tolist() == [LOG_FLOOR, -0.5]
    assert score(batch, "progress_advantage_centred").tolist() == pytest.approx([LOG_FLOOR, -0.6])


hostile = st.sampled_from((-INF, -9999.0, -1e308, -104.0, NAN)) | st.floats(-50.0, 0.0, width=32)


@every_token_scorer
@settings(max_examples=25, deadline=None, derandomize=True)
@given(rows=st.lists(st.lists(hostile, max_size=4), min_size=1, max_size=5), how=st.sampled_from(list(AGGREGATIONS)))
def test_no_score_is_absurd(name: str, rows: list[list[float]], how: str) -> None:
    columns = dict.fromkeys(TOKEN_COLUMNS[:3], rows)
    columns |= {column: [[-v for v in row] for row in rows] for column in TOKEN_COLUMNS[3:]}
    with np.errstate(over="ignore"):
        batch = tokens(rows, **columns)
    options = {"tokens": how} if "tokens" in scorers.get(name).options else {}
    try:
        credit = score(batch, name, **options)
    except MissingColumnError:
        assert not any(not math.isnan(v) for row in rows for v in row)
        return
    assert np.abs(credit).max() <= (1e45 if name == "negative_perplexity" else 1e4)


@pytest.mark.parametrize("name", [name for name in TOKEN_SCORERS if name != "modulate"])  # which scales other credits
@pytest.mark.parametrize("unread", [[], [NAN]])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_without_a_score_is_neither_the_best_nor_the_worst(name: str, unread: list[float], sign: int) -> None:
    columns: dict[str, Any] = {
        "policy_logprob": [[-2.0], unread, [-3.0, -3.0], [-4.0] * 3],
        "reference_logprob": [[-2.0 - sign / 2], unread, [-3.0 - sign] * 2, [-4.0 - sign * 1.5] * 3],
        "policy_top_logprob": [[-9.0], unread, [-10.0] * 2, [-11.0] * 3],
        "policy_entropy": [[0.5], unread, [1.0] * 2, [1.5] * 3],
        "policy_kl": [[0.1], unread, [0.1] * 2, [0.1] * 3],
    }
    credit = score(tokens(columns.pop("policy_logprob"), **columns), name)
    if name == "brevity" and unread:
        return  # there is one token to count
    known = np.delete(credit, 1)
    assert known.min() < credit[1] < known.max()
    assert credit[1] == pytest.approx(known.mean())


@every_token_scorer
def test_an_episode_without_tokens_gets_what_tells_nothing(name: str) -> None:
    runs = [Run([0, 1], [0], group=g) for g in (0, 0, 1)]
    flat = {column: np.array([-1.0, -2.0]) for column in TOKEN_COLUMNS}
    credit = score(batch_of(runs, logprob_offsets=np.array([0, 1, 2, 2]), **flat), name)
    assert credit[2] == pytest.approx(credit[:2].mean())


@every_token_scorer
def test_a_batch_without_a_single_token_lacks_the_column(name: str) -> None:
    batch = tokens([[], []])
    with pytest.raises(MissingColumnError, match="|".join(sorted(scorers.get(name).needs))):
        score(batch, name)


@pytest.mark.parametrize("value", [0.5, 3.0, INF])
def test_a_log_probability_above_zero_names_its_episode_and_step(value: float) -> None:
    episodes = [
        walk("7-0", steps=2, policy_logprobs=((-1.0,), (-2.0,))),
        walk("7-1", steps=3, policy_logprobs=((-1.0, -1.0), (), (-1.0, value))),
    ]
    with pytest.raises(ReadingError, match=r"'policy_logprob' holds .* at step 2 of episode '7-1'"):
        build_targets(episodes, "policy_logprob")
    assert len(build_targets(episodes, "grpo")) == 5  # a scorer that does not read it is not troubled


def test_rounding_may_lift_a_log_probability_a_hair_above_zero() -> None:
    assert score(tokens([[1e-6], [-1.0]]), "policy_logprob")[0] == pytest.approx(1e-6)


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_aggregations_of_any_tokens_are_finite_or_missing(how: str) -> None:
    values = np.array([-INF, -1.0, -INF, INF, INF, -1.0, NAN, -INF])
    found = aggregate_tokens(values, np.array([0, 2, 3, 5, 6, 8]), how)
    assert np.isfinite(found[:4]).all()
    assert np.isnan(found[4])


def beliefs(points: list[float], **columns: list[float]) -> EpisodeBatch:
    run = Run(path=list(range(len(points))), actions=[0] * (len(points) - 1), success=False)
    distractors = {"distractor_log_belief": [-1.0] * len(points), **columns}
    return batch_of([run], log_belief=points, **distractors)


def test_a_belief_of_zero_has_a_floor() -> None:
    batch = beliefs([-INF, -2.0, -INF, -INF, -1.0])
    assert score(batch, "delta_belief", squash="none").tolist() == [
        *(-2.0 - BELIEF_FLOOR, BELIEF_FLOOR + 2.0, 0.0, -1.0 - BELIEF_FLOOR),
    ]
    assert score(batch, "high_water_mark").tolist() == [-2.0 - BELIEF_FLOOR, 0.0, 0.0, 1.0]
    assert score(batch, "igpo").shape == (4,)


def test_losing_all_belief_is_never_less_of_a_loss_than_losing_some() -> None:
    raw = score(beliefs([-2.0, -5000.0, -INF, -2.0]), "delta_belief", squash="none")
    assert raw.tolist() == [-4998.0, 0.0, 4998.0]


@pytest.mark.parametrize("name", BELIEF_SCORERS)
@pytest.mark.parametrize("column", ["log_belief", "distractor_log_belief", "anchor_log_belief"])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(points=st.lists(st.sampled_from((-INF, NAN, -3.0, 0.0, -2000.0)), min_size=2, max_size=6))
def test_belief_scorers_are_finite_whatever_was_believed(name: str, column: str, points: list[float]) -> None:
    columns = {"points": [-1.0] * len(points), column: points}
    batch = beliefs(**columns) if column != "log_belief" else beliefs(points)
    try:
        assert np.isfinite(score(batch, name)).all()
    except MissingColumnError:
        assert all(map(math.isnan, points))


def test_a_belief_above_everything_is_refused() -> None:
    with pytest.raises(BatchError, match="'log_belief'"):
        beliefs([-1.0, INF])
