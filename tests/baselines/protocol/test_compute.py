"""The commands that score recorded episodes write the same page whoever computes the log-probabilities."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders.small_ray import small_ray
from builders.tiny_models import tiny_model

from credit_gym.baselines.tables import failure_attribution, uncertainty

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    with small_ray():
        yield


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pair")
    return {name: f"hf:{tiny_model(folder / name, seed=seed)}" for seed, name in enumerate(("policy", "reference"))}


def conversation(number: int) -> dict[str, Any]:
    said = [{"role": ("user", "assistant")[i % 2], "content": f"go {'north' * (number % 3)} {i}"} for i in range(6)]
    return {"id": f"s{number}", "task_id": number % 4, "messages": said, "reward_info": {"reward": float(number % 2)}}


def test_uncertainty_of_recorded_conversations(tmp_path: Path, pair: dict[str, str]) -> None:
    (tmp_path / "r.json").write_text(json.dumps({"simulations": [conversation(number) for number in range(24)]}))
    for executor in ("local", "ray"):
        uncertainty.main(tau2=tmp_path / "r.json", **pair, executor=executor, workers=2, markdown=tmp_path / executor)
    assert "progress_advantage_centred" in (tmp_path / "local").read_text()
    assert (tmp_path / "local").read_text() == (tmp_path / "ray").read_text()


def test_failure_attribution(tmp_path: Path, pair: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for executor in ("local", "ray"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache of {executor}"))
        failure_attribution.main(
            **pair, logs=8, split="test", executor=executor, workers=2, markdown=tmp_path / executor
        )
    assert (tmp_path / "local").read_text() == (tmp_path / "ray").read_text()
