"""Agents by name, as commands write them: ``random``, ``noisy:0.3``, ``openai:MODEL@URL``, ``module:Class``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from credit_gym.agents.core import Agent
from credit_gym.agents.human import HumanAgent
from credit_gym.agents.imported import find_agent, is_chat_function, make_imported, plugins
from credit_gym.agents.llm.agent import BatchAgent, ServerAgent
from credit_gym.agents.llm.backends import BACKENDS, Settings, is_server, parse_backend
from credit_gym.agents.llm.completion import BatchBackend
from credit_gym.agents.rollout.batching import Batched
from credit_gym.agents.score_table import ScoreTable, ScoreTableAgent
from credit_gym.agents.scripted import NoisyExpert, RandomAgent, ScriptedExpert
from credit_gym.errors import CreditGymError, unknown

AgentFactory = Callable[[str, int], Agent]
"""Builds an agent from what follows the colon of its spec (empty if there is none) and a seed."""


def parse_agent(spec: str, *, seed: int = 0, settings: Settings | None = None) -> Agent:
    """Build the agent that a spec names.

    A model behind a server is a :class:`~credit_gym.agents.llm.agent.ServerAgent`, which can also be awaited; one that
    was imported may be an :class:`~credit_gym.agents.core.AsyncAgent` that can do nothing else.

    Args:
        spec: ``kind`` or ``kind:argument``; the kinds are the keys of :data:`AGENTS` and
            :data:`~credit_gym.agents.llm.backends.BACKENDS`. Else it is ``module:Class`` or ``module:function``, or the
            name of an entry point in the group ``credit_gym.agents`` (:mod:`credit_gym.agents.imported`).
        seed: seed of the agent's own draws.
        settings: how a language model is asked; other agents have no use for it.

    Raises:
        UnknownNameError: there is no agent of that kind.
        MissingExtraError: its package is not installed.
        CreditGymError: the argument or the settings do not fit the kind.
    """
    kind, _, argument = spec.partition(":")
    if kind in BACKENDS:
        return _language_model(spec, seed, settings or Settings())
    if kind not in AGENTS:
        found = find_agent(spec)
        if found is None:
            raise unknown("agent", kind, [*AGENTS, *BACKENDS, *plugins()])
        return cast("Agent", make_imported(spec, found, seed, settings or Settings()))
    return AGENTS[kind](argument, seed)


def is_code(spec: str) -> bool:
    """Return whether a spec can name nothing but somebody's code, which is run by being named; nothing is run here."""
    kind = spec.partition(":")[0]
    return kind not in BACKENDS and kind not in AGENTS


def takes_settings(spec: str) -> bool:
    """Return whether a spec names a language model, or a function that is asked like one."""
    return spec.partition(":")[0] in BACKENDS or (is_code(spec) and is_chat_function(find_agent(spec)))


def _language_model(spec: str, seed: int, settings: Settings) -> Agent:
    backend = parse_backend(spec, settings)
    if is_server(backend):
        return ServerAgent(backend, settings.prompting, seed)
    return Batched(BatchAgent(cast("BatchBackend", backend), settings.prompting, seed))


def _random(argument: str, seed: int) -> Agent:
    _refuse("random", argument)
    return RandomAgent(seed)


def _expert(argument: str, seed: int) -> Agent:
    _refuse("expert", argument)
    return ScriptedExpert()


def _noisy(argument: str, seed: int) -> Agent:
    try:
        epsilon = float(argument)
    except ValueError:
        raise CreditGymError(f"Write noisy:EPSILON with a number in [0, 1], not noisy:{argument}.") from None
    return NoisyExpert(epsilon, seed)


def _table(argument: str, seed: int) -> Agent:
    if not argument:
        raise CreditGymError("Write table:PATH with the file of a saved score table.")
    return ScoreTableAgent(ScoreTable.load(Path(argument)), seed)


def _human(argument: str, seed: int) -> Agent:
    _refuse("human", argument)
    return HumanAgent()


def _refuse(kind: str, argument: str) -> None:
    if argument:
        raise CreditGymError(f"The agent {kind!r} takes no argument; write {kind!r} alone.")


AGENTS: dict[str, AgentFactory] = {
    "random": _random,
    "expert": _expert,
    "noisy": _noisy,
    "table": _table,
    "human": _human,
}
