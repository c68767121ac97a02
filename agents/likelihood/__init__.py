"""What a model says of text that exists: log-probabilities and beliefs, whatever trajectories share computed once.

- ``logprobs``: ``score_tokens``, the columns of every action token. ``divergence``: a policy from its reference.
- ``beliefs``: all turns at once, and with log-probabilities in one pass. ``incremental``: turn by turn during play.
  ``believers``: both for :class:`credit_gym.wrappers.RecordBelief`.
- From what: ``recorded`` tokens of episodes, chats by ``rendering``, finished runs as ``transcripts`` and
  ``transcript_tokens``; ``message_scores`` is what comes of those.
- By what: ``language_model``, one loaded at a time, as a ``network`` in two halves. ``forest``, ``sharing`` and
  ``passes``: what is computed once, how far a model may, in how many passes. ``score_cache`` and ``ray_scoring``.
- ``reward_models`` by name: ``think_prm`` and ``wild_reward``, over ``critic_text``. ``merging``: references between
  two models, each a ``checkpoint``, if they are the ``same_model``.
"""

from __future__ import annotations

from credit_gym.errors import missing_extra

try:
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError as error:
    raise missing_extra(error.name or "transformers", "hf") from error
