"""What batches teach of a verifier goes on to the next ones and into checkpoints, and gives way to what is given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders.batches import NAN, Run, batch_of

from credit_gym.agents.learning.trusting import TRUST, TrustingScorer
from credit_gym.data.batch import EpisodeBatch
from credit_gym.errors import StoreError, UnknownNameError
from credit_gym.estimation.trust import EXACT, UNKNOWN, Trust
from credit_gym.scorers import score
from credit_gym.scorers.evidence_lambda import verifier_trust


def steps(won: list[int], readings: list[int] | None) -> EpisodeBatch:
    """Groups of two episodes of two steps each; nothing recurs, and the verifier reads the first step of each."""
    runs = [Run([3 * n, 3 * n + 1, 3 * n + 2], [0, 0], bool(outcome), group=n // 2) for n, outcome in enumerate(won)]
    read = None if readings is None else [float(value) for reading in readings for value in (reading, 0)]
    return batch_of(runs, verifier=read)


ALIGNED = steps([1, 0, 0, 1] * 4, [1, 0, 0, 1] * 4)
FAILED = steps([0, 0, 0, 0], [1, 0, 0, 1])


def test_what_one_batch_taught_credits_the_next() -> None:
    scorer = TrustingScorer("evidence_lambda")
    assert not scorer.summary
    np.testing.assert_array_equal(scorer(ALIGNED), score(ALIGNED, "evidence_lambda"))
    known = verifier_trust(ALIGNED)
    assert scorer.known == known
    assert known.agreement > 0
    assert scorer.summary == {"trust": known.agreement, "trust_weight": known.weight}
    told = score(FAILED, "evidence_lambda", trust=known.agreement, trust_weight=known.weight)
    np.testing.assert_array_equal(scorer(FAILED), told)
    assert np.abs(told).max() > 0
    assert not score(FAILED, "evidence_lambda").any()  # alone it is not borne out
    assert scorer.known == verifier_trust(FAILED, known)


def test_what_is_known_before_the_first_batch_can_be_said() -> None:
    credit = TrustingScorer("evidence_lambda", known=EXACT)(FAILED)
    np.testing.assert_array_equal(credit, score(FAILED, "evidence_lambda", trust=1.0, trust_weight=60.0))


@pytest.mark.parametrize("given", [{"trust": 0.0}, {"trust": -1.0, "trust_weight": 9.0}, {"trust_weight": 0.0}])
def test_a_given_trust_stays(given: dict[str, float], tmp_path: Path) -> None:
    (tmp_path / TRUST).write_text('{"agreement": 1.0, "weight": 60.0}')
    scorer = TrustingScorer("evidence_lambda", given, known=EXACT)
    scorer.load(tmp_path)
    for batch in (ALIGNED, FAILED):
        np.testing.assert_array_equal(scorer(batch), score(batch, "evidence_lambda", **given))
    assert scorer.known is None
    assert not scorer.summary


def test_other_options_reach_the_scorer_and_what_is_learned() -> None:
    """Two share a state: how far their own mean counts there decides whether they read above the third."""
    ways = [[0, 1, 2], [0, 3, 4], [5, 6, 7], [8, 9, 10]]
    runs = [Run(way, [0, 0], number == 0) for number, way in enumerate(ways)]
    readings = [value for reading in (1.0, 1.0, 0.8, 0.0) for value in (reading, NAN)]
    batch, options = batch_of(runs, verifier=readings), {"pseudo_count": 5.0, "kappa": 1.0}
    scorer = TrustingScorer("evidence_lambda", options)
    np.testing.assert_array_equal(scorer(batch), score(batch, "evidence_lambda", **options))
    assert scorer.known == verifier_trust(batch, pseudo_count=5.0)
    assert scorer.known != verifier_trust(batch)


def test_a_scorer_that_cannot_be_told_and_a_batch_without_a_verifier_leave_nothing(tmp_path: Path) -> None:
    other, blind = TrustingScorer("gae", {"lam": 0.5}), TrustingScorer("evidence_lambda")
    np.testing.assert_array_equal(other(ALIGNED), score(ALIGNED, "gae", lam=0.5))
    unread = steps([1, 0], None)
    np.testing.assert_array_equal(blind(unread), score(unread, "evidence_lambda"))
    for scorer in (other, blind):
        assert scorer.known is None
        scorer.save(tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_brings_it_back_to_the_bit(tmp_path: Path) -> None:
    scorer, resumed = TrustingScorer("evidence_lambda"), TrustingScorer("evidence_lambda")
    resumed.load(tmp_path)  # of an older version
    assert resumed.known is None
    scorer(ALIGNED)
    scorer(FAILED)
    scorer.save(tmp_path)
    resumed.load(tmp_path)
    assert resumed.known == scorer.known
    assert isinstance(resumed.known, Trust)


@pytest.mark.parametrize(
    "written", ["", "[]", '{"agreement": 1}', '{"agreement": "much", "weight": 1}', '{"weight": 1}']
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, written: str) -> None:
    (tmp_path / TRUST).write_text(written)
    with pytest.raises(StoreError, match=r"trust\.json is damaged") as raised:
        TrustingScorer("evidence_lambda").load(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [float("nan"), 2.0])
def test_a_file_with_a_trust_that_cannot_be_is_damaged(tmp_path: Path, value: float) -> None:
    (tmp_path / TRUST).write_text(json.dumps({"agreement": value, "weight": 1.0}))
    with pytest.raises(StoreError, match="damaged"):
        TrustingScorer("evidence_lambda").load(tmp_path)


def test_an_unknown_scorer_fails_before_the_first_batch() -> None:
    with pytest.raises(UnknownNameError):
        TrustingScorer("evidence_lamda")


def test_nothing_is_known_of_a_verifier_at_first() -> None:
    assert verifier_trust(FAILED) == UNKNOWN
