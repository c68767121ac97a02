"""What is written as ATIF is ATIF, by the models that the package of that name has of the published format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from atif import Trajectory
from builders.atif_documents import documents
from builders.episodes import episodes
from hypothesis import HealthCheck, given, settings

from credit_gym.data.episode import Episode
from credit_gym.formats.atif import atif_rows
from credit_gym.formats.readers import read_episodes

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@given(episodes())
@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
def test_any_episode_is_written_as_a_valid_document(episode: Episode) -> None:
    (row,) = atif_rows([episode], [[0.5] * len(episode)])
    document = Trajectory.model_validate(json.loads(json.dumps(row)))
    assert sum("credit" in (step.extra or {}) for step in document.steps) == len(episode)


@given(documents())
@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
def test_a_valid_document_is_valid_with_its_credits(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]
) -> None:
    Trajectory.model_validate(document)
    path: Path = tmp_path_factory.mktemp("atif") / "a.json"
    path.write_text(json.dumps(document), "utf-8")
    for episode in read_episodes("atif", path).episodes:
        (row,) = atif_rows([episode], [[0.5] * len(episode)])
        Trajectory.model_validate(json.loads(json.dumps(row)))
