"""The log-prob engine: log-probabilities and beliefs of whole trajectories, whatever they share computed once.

- :mod:`~credit_gym.agents.likelihood.logprobs`: ``score_tokens``, the columns of every action token.
- :mod:`~credit_gym.agents.likelihood.beliefs`: ``beliefs``, all turns at once, and with log-probabilities in one pass.
- :mod:`~credit_gym.agents.likelihood.incremental`: ``IncrementalBelief``, turn by turn during play.
- :mod:`~credit_gym.agents.likelihood.divergence`: ``token_divergence`` of a policy from its reference.
- :mod:`~credit_gym.agents.likelihood.recorded` and :mod:`~credit_gym.agents.likelihood.rendering`: from episodes and
chats.
- :mod:`~credit_gym.agents.likelihood.language_model`: ``LanguageModel``; one is loaded at a time.
"""

from __future__ import annotations

from credit_gym.errors import missing_extra

try:
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError as error:
    raise missing_extra(error.name or "transformers", "hf") from error
