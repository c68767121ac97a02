"""Every registered scorer passes ``check_scorer``, and each promise of a scorer has an offender that it catches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest

from credit_gym.data.batch import EpisodeBatch
from credit_gym.scorers import ScorerSpec, names
from credit_gym.testing import check_scorer, sample_batches

Credit = np.ndarray[Any, np.dtype[Any]]
DRAWS_BY_POSITION = {"random"}
_calls = iter(range(10_000))


def spec(function: Callable[[EpisodeBatch], Credit], scope: Literal["episode", "group"] = "group") -> ScorerSpec:
    return ScorerSpec("planted", function, frozenset(), scope, "", False)


def returns(batch: EpisodeBatch) -> Credit:
    """What is honest: the return of the step's episode."""
    return batch.episode_return[batch.episode]


def mutates(batch: EpisodeBatch) -> Credit:
    column = batch.reward
    column = column if column.base is None else column.base  # under the read-only view
    column += 1.0
    return np.zeros(batch.num_steps)


def beside_the_others(batch: EpisodeBatch) -> Credit:
    return returns(batch) - (batch.episode_return.mean() if batch.num_episodes else 0.0)


OFFENDERS: dict[str, tuple[Callable[[EpisodeBatch], Any], str]] = {
    "one credit an episode": (lambda batch: batch.episode_return, "must return"),
    "a list": (lambda batch: returns(batch).tolist(), "an array"),
    "float32": (lambda batch: returns(batch).astype(np.float32), "float64"),
    "nan": (lambda batch: returns(batch) / 0.0 if batch.num_steps else returns(batch), "finite"),
    "counts its calls": (lambda batch: returns(batch) + next(_calls), "other credits for the same batch"),
    "hands a column back": (lambda batch: batch.reward, "handed"),
    "changes the batch": (mutates, "changed the batch's|raised"),
    "needs the verifier undeclared": (lambda batch: np.nan_to_num(batch.require("verifier")), "declare in needs"),
    "reads the truth": (
        lambda batch: returns(batch) if batch.advantage is None else np.nan_to_num(batch.advantage),
        "exact advantage",
    ),
    "reads ids as numbers": (lambda batch: batch.state.astype(np.float64), "called"),
    "counts positions": (lambda batch: np.arange(batch.num_steps, dtype=np.float64), "another order"),
    "looks into other groups": (beside_the_others, "one group by what happened in another"),
    "raises": (lambda batch: returns(batch)[batch.num_steps :][0:1].reshape(7), "raised"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", OFFENDERS)
def test_a_broken_promise_is_named(name: str) -> None:
    function, sentence = OFFENDERS[name]
    with pytest.raises(AssertionError, match=sentence):
        check_scorer(spec(function))


def test_an_episode_scorer_must_not_compare_episodes() -> None:
    check_scorer(spec(returns, "episode"))

    def centred(batch: EpisodeBatch) -> Credit:
        mean = np.array([batch.episode_return[batch.group == group].mean() for group in batch.group])
        return (batch.episode_return - mean)[batch.episode]

    check_scorer(spec(centred, "group"))
    with pytest.raises(AssertionError, match="one episode by what happened"):
        check_scorer(spec(centred, "episode"))


def test_the_sample_holds_what_breaks_scorers() -> None:
    batches = sample_batches()
    assert min(batch.num_episodes for batch in batches) == 0
    assert any(0 in batch.lengths for batch in batches)
    assert any(set(range(batch.num_groups)) - set(batch.group.tolist()) for batch in batches)
    assert any(np.isnan(batch.require("verifier")).any() for batch in batches if batch.num_steps)


@pytest.mark.parametrize("name", names())
def test_every_registered_scorer_keeps_its_promises(name: str) -> None:
    check_scorer(name, order_matters=name in DRAWS_BY_POSITION)
