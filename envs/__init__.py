"""The environments: text in, text out, a folder per family.

``tabular``       small tasks whose exact model is known: Stochastic, Diagnostic, and manifests from data files
``alfworld``      household tasks, by ALFWorld's own rules and texts
``webshop``       search, read and buy, by WebShop's published rules
``sokoban``       boxes pushed onto targets, with the exact distance in small rooms
``information``   games of asking: nouns, cities, culprits, faults, preferences
``tau2``          serving a customer with tools, under a policy
``function_calls``  what a user asks in several turns, by tools with a state
``agent_dojo``    doing what a user asks with tools through which an attacker speaks
``team``          several roles answer one question; and a small team game that is exact
``who_and_when``  which agent made a failed run fail, and when

In each, ``env.py`` is the Gymnasium face. ``text_env`` and ``text_vector_env`` hold what all families share,
``inputs`` checks what is given to any of them, ``tool_arguments`` what is given to a tool.
"""

from __future__ import annotations

from credit_gym.envs.text_env import TextEnv

__all__ = ["TextEnv"]
