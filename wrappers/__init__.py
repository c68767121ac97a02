"""Wrappers that record what each step changed and say what it was worth."""

from __future__ import annotations

from credit_gym.wrappers.assign_credit import AssignCredit
from credit_gym.wrappers.record_belief import RecordBelief, oracle
from credit_gym.wrappers.record_episodes import RecordEpisodes
from credit_gym.wrappers.record_verifier import RecordVerifier
from credit_gym.wrappers.recorder import Recorder

__all__ = ["AssignCredit", "RecordBelief", "RecordEpisodes", "RecordVerifier", "Recorder", "oracle"]
