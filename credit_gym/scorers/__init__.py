"""Credit scorers: pure functions from an EpisodeBatch to one number per step."""

from __future__ import annotations

from credit_gym.scorers.registry import ScorerSpec, get, names, register, score

__all__ = ["ScorerSpec", "get", "names", "register", "score"]
