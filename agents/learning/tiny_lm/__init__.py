"""A language model of a size to be trained in a minute, from transcripts of an environment's episodes.

- ``corpus``: the transcripts. ``tokenizer``: learned from them. ``pretrain``: the training, ``train_tiny_lm``.
"""

from __future__ import annotations

from credit_gym.agents.learning.tiny_lm.pretrain import Report, train_tiny_lm

__all__ = ["Report", "train_tiny_lm"]
