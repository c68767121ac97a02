"""Models by folder: one loaded at a time, known by their contents, and their results kept by content."""

from __future__ import annotations

import gc
import shutil
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

from builders.tiny_models import tiny_model

from credit_gym.agents.likelihood import language_model as model
from credit_gym.agents.likelihood import logprobs
from credit_gym.agents.likelihood.beliefs import Branch, Probe, beliefs, beliefs_and_logprobs
from credit_gym.agents.likelihood.divergence import token_divergence
from credit_gym.agents.likelihood.forest import TokenSequence
from credit_gym.agents.likelihood.language_model import LanguageModel, folder_hash, release
from credit_gym.agents.likelihood.logprobs import Limits, score_tokens
from credit_gym.agents.likelihood.score_cache import ScoreCache
from credit_gym.errors import BackendError, CreditGymError

IDS = np.arange(5, 35)
SEQUENCES = [TokenSequence(IDS, ((3, 9), (20, 30))), TokenSequence(IDS[::-1].copy(), ((0, 4),))]
PROBE = Probe((IDS[:5], IDS), (Branch(np.array([50, 51, 52]), 1, 3),), (Branch(np.array([50, 60]), 1, 2),))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("models")
    return tiny_model(root / "policy", seed=0), tiny_model(root / "reference", seed=1)


@pytest.fixture(autouse=True)
def _nothing_stays_loaded() -> Any:
    yield
    release()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the folders whose weights were read."""
    seen: list[str] = []
    load = model._resident

    def noted(folder: Path, *rest: Any) -> Any:
        seen.append(folder.name)
        return load(folder, *rest)

    monkeypatch.setattr(model, "_resident", noted)
    return seen


@pytest.mark.slow
def test_a_second_model_frees_the_first(folders: tuple[Path, Path]) -> None:
    policy, reference = (LanguageModel(folder, device="cpu") for folder in folders)
    first = weakref.ref(policy.network)
    assert policy.network is LanguageModel(folders[0], device="cpu").network
    score_tokens(reference, SEQUENCES)
    gc.collect()
    assert first() is None
    assert list(model._loaded.values()) == [reference.network]


def test_the_hash_is_of_the_contents_wherever_they_lie(folders: tuple[Path, Path], tmp_path: Path) -> None:
    copied = shutil.copytree(folders[0], tmp_path / "copy")
    assert folder_hash(copied) == folder_hash(folders[0]) != folder_hash(folders[1])
    before = LanguageModel(copied).identity
    assert before != LanguageModel(copied, dtype="bfloat16").identity
    weights = copied / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert LanguageModel(copied).identity != before


@pytest.mark.slow
def test_a_folder_that_was_trained_on_is_loaded_again(folders: tuple[Path, Path], tmp_path: Path) -> None:
    copied = shutil.copytree(folders[0], tmp_path / "checkpoint")
    before = score_tokens(LanguageModel(copied, device="cpu"), SEQUENCES).logprob
    shutil.copytree(folders[1], copied, dirs_exist_ok=True)
    after = score_tokens(LanguageModel(copied, device="cpu"), SEQUENCES).logprob
    assert np.nanmax(np.abs(after - before)) > 0.1


@pytest.mark.slow
def test_cached_results_are_the_same_bits_and_load_no_model(
    folders: tuple[Path, Path], tmp_path: Path, loads: list[str]
) -> None:
    cache = ScoreCache(tmp_path / "scores")
    policy, reference = (LanguageModel(folder, device="cpu") for folder in folders)
    fused, scores = beliefs_and_logprobs(policy, [PROBE], SEQUENCES, cache=cache)
    divergence = token_divergence(policy, reference, SEQUENCES, cache=cache)
    assert set(loads) == {"policy", "reference"}
    loads.clear()
    again = score_tokens(policy, SEQUENCES, cache=cache)
    (belief,) = beliefs(policy, [PROBE], cache=cache)
    for column in logprobs.COLUMNS:
        np.testing.assert_array_equal(getattr(again, column), getattr(scores, column))
    np.testing.assert_array_equal(belief.log_belief, fused[0].log_belief)
    np.testing.assert_array_equal(token_divergence(policy, reference, SEQUENCES, cache=cache), divergence)
    assert (fused[0].method, belief.method, loads) == ("tree", "stored", [])
    release()
    np.testing.assert_array_equal(score_tokens(reference, SEQUENCES, cache=cache).offsets, scores.offsets)
    assert "reference" in loads  # another model has other results


@pytest.mark.slow
def test_a_policy_is_no_better_than_itself_half_of_it_from_the_cache(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    policy, cache = LanguageModel(folders[0], device="cpu"), ScoreCache(tmp_path)
    score_tokens(policy, SEQUENCES[:1], cache=cache)
    first, second = (score_tokens(policy, SEQUENCES, cache=cache).logprob for _ in range(2))
    np.testing.assert_array_equal(first - second, np.where(np.isnan(first), np.nan, 0.0))


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "pickled"])
def test_a_damaged_result_is_computed_again(folders: tuple[Path, Path], tmp_path: Path, damage: str) -> None:
    policy, cache = LanguageModel(folders[0], device="cpu"), ScoreCache(tmp_path)
    expected = score_tokens(policy, SEQUENCES[:1], cache=cache).logprob
    (file,) = tmp_path.rglob("*.npz")
    data = file.read_bytes()
    middle = data.index(np.float32(expected[0]).tobytes())
    damaged = {
        "cut": data[: len(data) // 2],
        "flipped": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
        "emptied": b"",
        "pickled": b"cos\nsystem\n(S'true'\ntR.",
    }
    file.write_bytes(damaged[damage])
    np.testing.assert_array_equal(score_tokens(policy, SEQUENCES[:1], cache=cache).logprob, expected)
    assert file.read_bytes() == data


def test_whatever_changes_a_result_changes_its_key(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    ids = np.arange(4)
    asked: list[tuple[Any, ...]] = [
        ("a", ids, ((0, 2),)), ("b", ids, ((0, 2),)), ("a", ids[:3], ((0, 2),)), ("a", ids, ((0, 2), (2, 3))),
        ("a", ids, ((0, 1), (1, 2))), ("a", ids, 20, ((0, 2),)), ("a", (ids[:2], ids[2:])), ("a", (ids[:1], ids[1:])),
        ("a", ids[:2], ids[2:]), ("a", None), ("a", 0), ("a", "0"),
    ]  # fmt: skip
    keys = [cache.key(*each) for each in asked]
    assert len(set(keys)) == len(keys)
    assert keys == [cache.key(*each) for each in asked]


@pytest.mark.slow
def test_problems_are_told_in_a_sentence(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(CreditGymError, match="no precision called 'float8'"):
        LanguageModel(folders[0], dtype="float8")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackendError, match=r"holds no model: config\.json and its weights are missing"):
        _ = LanguageModel(tmp_path / "empty").identity
    broken = shutil.copytree(folders[0], tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(BackendError, match="cannot be loaded"):
        _ = LanguageModel(broken).network
    with pytest.raises(BackendError, match="save it to a folder first"):
        score_tokens(
            LanguageModel.of(LanguageModel(folders[0], device="cpu").network._model),
            SEQUENCES,
            cache=ScoreCache(tmp_path / "scores"),
        )
    (tmp_path / "file").write_text("")
    with pytest.raises(CreditGymError, match="cannot be written"):
        score_tokens(LanguageModel(folders[0], device="cpu"), SEQUENCES, cache=ScoreCache(tmp_path / "file"))
    assert "policy" in repr(LanguageModel(folders[0]))


@pytest.mark.slow
def test_half_precision_moves_results_by_rounding_only(folders: tuple[Path, Path]) -> None:
    exact = score_tokens(LanguageModel(folders[0], device="cpu"), SEQUENCES, limits=Limits(top_k=5))
    half = score_tokens(LanguageModel(folders[0], device="cpu", dtype="bfloat16"), SEQUENCES, limits=Limits(top_k=5))
    difference = np.nanmax(np.abs(exact.logprob - half.logprob))
    assert 0.0 < difference < 0.3
