"""Log-probabilities by worker processes: the same to the bit as here, whoever computes which pass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.failing_models import Doomed, Elsewhere
from builders.random_models import language_model
from builders.small_ray import small_ray
from builders.tiny_models import tiny_model

from credit_gym.agents.likelihood.divergence import divergence, token_divergence
from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.language_model import LanguageModel
from credit_gym.agents.likelihood.logprobs import Limits, score_tokens
from credit_gym.agents.likelihood.passes import Share
from credit_gym.agents.likelihood.ray_scoring import columns_on_ray, divergence_on_ray
from credit_gym.agents.likelihood.score_cache import ScoreCache
from credit_gym.agents.rollout.ray_tasks import Workers
from credit_gym.errors import BackendError, CreditGymError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    with small_ray():
        yield


def sequences(count: int, seed: int = 0) -> list[TokenSequence]:
    draw = np.random.default_rng(seed)
    opening, found = draw.integers(0, 500, 60), []
    for _ in range(count):
        ids = np.concatenate([opening[: draw.integers(5, 60)], draw.integers(0, 500, draw.integers(9, 120))])
        found.append(TokenSequence(ids, ((0, 4), (ids.size - 8, ids.size), (3, 3))))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def test_they_are_the_same_to_the_bit_whoever_computes_which_pass(folder: Path) -> None:
    lm, given = LanguageModel(folder), sequences(90)
    for limits in (Limits(), Limits(batch_tokens=300, max_tokens=100)):
        local = score_tokens(lm, given, limits=limits)
        for count in (1, 2):
            compute = partial(columns_on_ray, workers=Workers(count=count))
            spread = score_tokens(lm, given, limits=limits, compute=compute)
            for name in ("logprob", "entropy", "top_k_mean", "rank", "offsets"):
                assert getattr(spread, name).tobytes() == getattr(local, name).tobytes(), name
    assert len(score_tokens(lm, [], compute=compute)) == 0


def test_divergences_are_the_same_to_the_bit_also_of_models_of_different_shape(folder: Path, tmp_path: Path) -> None:
    given = sequences(40)
    policy = LanguageModel(folder)
    for name, shape in (("same", {}), ("deeper", {"layers": 3, "hidden": 128})):
        reference = LanguageModel(tiny_model(tmp_path / name, seed=1, **shape))
        limits = Limits(batch_tokens=700)
        local = token_divergence(policy, reference, given, limits=limits)
        compute = partial(divergence_on_ray, workers=Workers(count=2))
        spread = token_divergence(policy, reference, given, limits=limits, compute=compute)
        assert spread.tobytes() == local.tobytes()
        assert np.nanmin(spread) > 0


def test_a_share_of_the_reference_finds_what_it_needs_of_the_policy(folder: Path, tmp_path: Path) -> None:
    """Even if the policy's passes are cut in another way, so that its share predicts other tokens."""
    policy, reference = LanguageModel(folder), LanguageModel(tiny_model(tmp_path / "other", seed=1))
    given, limits = sequences(12), Limits(batch_tokens=300)
    whole = np.concatenate(divergence(policy, reference, given, limits))
    seen = np.zeros(whole.size, dtype=int)
    for part in range(3):
        share = np.concatenate(divergence(policy, reference, given, limits, Share(part, 3), Share((part + 1) % 3, 3)))
        known = ~np.isnan(share)
        assert share[known].tobytes() == whole[known].tobytes()
        seen += known
    assert (seen == ~np.isnan(whole)).all()


def test_a_worker_may_die_and_a_cache_is_filled_once(folder: Path, tmp_path: Path) -> None:
    compute, cache = partial(columns_on_ray, workers=Workers(count=2)), ScoreCache(tmp_path / "cache")
    doomed, given = Doomed(folder, tmp_path / "killed"), sequences(40)
    spread = score_tokens(doomed, given, cache=cache, compute=compute)
    assert (tmp_path / "killed").exists()
    local = score_tokens(LanguageModel(folder), given)
    assert spread.logprob.tobytes() == local.logprob.tobytes()
    again = score_tokens(LanguageModel(folder), given, cache=cache, compute=_unused)
    assert again.logprob.tobytes() == local.logprob.tobytes()


def test_what_cannot_be_sent_or_is_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    for lm, error, said in (
        (language_model(), CreditGymError, "save it to a folder first"),
        (Elsewhere(folder, os.getpid()), BackendError, "is another one than here"),
        (Doomed(folder, tmp_path / "never", always=True), BackendError, "Every worker .* died"),
    ):
        with pytest.raises(error, match=said):
            columns_on_ray(lm, sequences(3), Limits(), workers=Workers(count=1))


def _unused(*_: Any) -> Any:
    raise AssertionError("everything is in the cache")
