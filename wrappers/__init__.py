"""Wrappers that record what each step changed and say what it was worth."""

from __future__ import annotations

from credit_gym.wrappers.belief import RecordBelief, oracle
from credit_gym.wrappers.credit import AssignCredit
from credit_gym.wrappers.episodes import RecordEpisodes
from credit_gym.wrappers.recorder import Recorder
from credit_gym.wrappers.verifier import RecordVerifier

__all__ = ["AssignCredit", "RecordBelief", "RecordEpisodes", "RecordVerifier", "Recorder", "oracle"]
