"""A language model of a size to be trained in a minute, from transcripts of an environment's episodes."""

from __future__ import annotations

from credit_gym.agents.learning.tiny_lm.pretrain import Report, train_tiny_lm

__all__ = ["Report", "train_tiny_lm"]
