"""How a language model is asked, and how it plays.

- ``completion``: the request and its answer, the one interface of every backend. ``backends``: backends by name.
- ``hf`` (with ``sampling``, ``chat_tokens``, and ``resident`` or ``padded`` for what a model remembers) and ``vllm``:
  models in this process. ``model_paths``: what is no name on a hub.
- ``openai`` and ``anthropic``: models behind a ``server`` at an ``address``. How they are asked: ``tool_chat`` and
  ``anthropic_chat``; what they say: ``answers``, ``openai_answer`` and ``anthropic_answer``. Before them
  ``response_cache``, ``retry``, ``budget`` (with ``prices``) and ``rate_limit``; ``loop`` is the event loop that they
  live on.
- ``prompting``: how a context becomes a chat, read from plain data (``fields``); ``news``: what is new about
  the action that is due. ``tool_turns``: calls of tools in it.
  ``reading``: how a reply becomes an action, in the ``styles`` that there are.
- ``agent``: the policy as an agent; ``function``: a function of a chat in the place of a model. ``asking``: a chat in,
  its answer out, for environments.
"""

from __future__ import annotations

from credit_gym.agents.llm.agent import BatchAgent, ServerAgent
from credit_gym.agents.llm.backends import Settings, parse_backend
from credit_gym.agents.llm.completion import Completion, Request
from credit_gym.agents.llm.prompting import Prompting

__all__ = [
    "BatchAgent",
    "Completion",
    "Prompting",
    "Request",
    "ServerAgent",
    "Settings",
    "parse_backend",
]
