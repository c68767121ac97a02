"""Wrappers that record what each step changed and say what it was worth.

- ``record_verifier``, ``record_belief``, ``record_episodes`` and ``assign_credit``: one wrapper each; ``vector``
  records the episodes of vector environments.
- ``doors``: these environments behind other people's interfaces.
- ``recorder``: how a played episode becomes a record, from ``readings`` that a record can hold.
"""

from __future__ import annotations

from credit_gym.wrappers.assign_credit import AssignCredit
from credit_gym.wrappers.record_belief import RecordBelief, oracle
from credit_gym.wrappers.record_episodes import RecordEpisodes
from credit_gym.wrappers.record_verifier import RecordVerifier
from credit_gym.wrappers.recorder import Recorder

__all__ = ["AssignCredit", "RecordBelief", "RecordEpisodes", "RecordVerifier", "Recorder", "oracle"]
