"""The ids under ``credit/``: lazy entry points, so that registering imports no environment."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import gymnasium as gym

from credit_gym.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """One registered environment.

    Attributes:
        id: Gymnasium id.
        entry_point: ``module:attribute`` of the environment.
        vector_entry_point: the same of its native vector environment, None if there is none.
        summary: one line for listings.
        controlled: whether its exact model is known (:class:`credit_gym.exact.tabular_model.TabularModel`).
    """

    id: str
    entry_point: str
    vector_entry_point: str | None
    summary: str
    controlled: bool = False


def _controlled(name: str, function: str, summary: str) -> EnvironmentSpec:
    module = "credit_gym.envs.tabular"
    return EnvironmentSpec(
        f"credit/{name}", f"{module}.env:{function}", f"{module}.vector:{function}", summary, controlled=True
    )


ENVIRONMENTS = (
    _controlled("Stochastic-v0", "stochastic", "stages with slips, loops, detours and fatal actions; exact oracle"),
    _controlled("StochasticNoisy-v0", "stochastic_noisy", "the same with one verifier reading in ten wrong"),
    _controlled("Diagnostic-v0", "diagnostic", "14 tasks, each a disease of credit assignment (task=...)"),
    _controlled("WebShopManifest-v0", "webshop_manifest", "WebShop-like state machines from a data file"),
    _controlled("ALFWorldManifest-v0", "alfworld_manifest", "ALFWorld-like state machines from a data file"),
    EnvironmentSpec(
        "credit/ALFWorld-v0",
        "credit_gym.envs.alfworld.env:ALFWorldEnv",
        "credit_gym.envs.alfworld.vector:ALFWorldVectorEnv",
        "household tasks by ALFWorld's rules and in its words, on games made here or real ones",
    ),
    EnvironmentSpec(
        "credit/WebShop-v0",
        "credit_gym.envs.webshop.env:WebShopEnv",
        None,
        "search, read and buy by WebShop's published rules, in an invented catalogue or the real one",
    ),
    EnvironmentSpec(
        "credit/Sokoban-v0",
        "credit_gym.envs.sokoban.env:SokobanEnv",
        "credit_gym.envs.sokoban.vector:SokobanVectorEnv",
        "push boxes onto targets in rooms made here or read from a file; exact distance where a room is small",
    ),
    EnvironmentSpec(
        "credit/TeamGame-v0",
        "credit_gym.envs.team.game:TeamGame",
        None,
        "a team says one message each and a coin decides; exact Q, V, advantage and influence",
        controlled=True,
    ),
    EnvironmentSpec(
        "credit/TwentyQuestions-v0",
        "credit_gym.envs.information.twenty_questions:TwentyQuestionsEnv",
        None,
        "find out a noun by yes-or-no questions; exact belief, or a language model as judge",
    ),
    EnvironmentSpec(
        "credit/GuessMyCity-v0",
        "credit_gym.envs.information.guess_my_city:GuessMyCityEnv",
        None,
        "find out a city by open questions; exact belief, or a language model as judge",
    ),
    EnvironmentSpec(
        "credit/MurderMystery-v0",
        "credit_gym.envs.information.murder_mystery:MurderMysteryEnv",
        None,
        "find out who did it from clues and alibis, and accuse once; exact belief, or a language model as judge",
    ),
    EnvironmentSpec(
        "credit/CustomerService-v0",
        "credit_gym.envs.information.customer_service:CustomerServiceEnv",
        None,
        "find out what is wrong with a customer's device and name the fix; exact belief, or a language model as judge",
    ),
    EnvironmentSpec(
        "credit/Personalization-v0",
        "credit_gym.envs.information.personalization:PersonalizationEnv",
        None,
        "find out what somebody likes and recommend what fits; graded from 1 to 10, exact belief",
    ),
    EnvironmentSpec(
        "credit/Tau2-v0",
        "credit_gym.envs.tau2.env:Tau2Env",
        None,
        "serve a customer with tools under a policy; the library ships, mock/retail/airline from TAU2_DATA_DIR",
    ),
    EnvironmentSpec(
        "credit/AgentDojo-v0",
        "credit_gym.envs.agent_dojo.env:AgentDojoEnv",
        None,
        "do what a user asks with tools whose answers may hold an attacker's orders; two suites here, or AgentDojo's",
    ),
    EnvironmentSpec(
        "credit/FunctionCalls-v0",
        "credit_gym.envs.function_calls.env:FunctionCallsEnv",
        None,
        "do what a user asks in several turns by calling tools, by BFCL v4's rules; made here, or from BFCL_DIR",
    ),
    EnvironmentSpec(
        "credit/MultiAgentMath-v0",
        "credit_gym.envs.team.env:MultiAgentMath",
        None,
        "a team of roles answers a mathematical question, generated or from GSM8K, MATH or CMATH files",
    ),
    EnvironmentSpec(
        "credit/MultiAgentCode-v0",
        "credit_gym.envs.team.env:MultiAgentCode",
        None,
        "a team of roles writes a program, tested in a sandbox; generated or from MBPP or HumanEval files",
    ),
    EnvironmentSpec(
        "credit/WhoAndWhen-v0",
        "credit_gym.envs.who_and_when.env:WhoAndWhenEnv",
        None,
        "name the agent and the step that made a multi-agent run fail, by three protocols",
    ),
)


def unknown_environment(env_id: str) -> UnknownNameError:
    """Return the error for an id that is not registered, with the ids that it may be short or misspelt for."""
    made_by = {each: getattr(spec.entry_point, "__module__", spec.entry_point) for each, spec in gym.registry.items()}
    others = (each for each, module in made_by.items() if not str(module).startswith("gymnasium."))
    short = {each.rpartition("/")[2].lower(): each for each in [*others, *(spec.id for spec in ENVIRONMENTS)]}
    near = difflib.get_close_matches(env_id.rpartition("/")[2].lower(), short, n=3, cutoff=0.6)
    names = [short[each] for each in near]
    hint = "`credit-gym envs` lists those that there are; one of yours is MODULE:ID."
    if names:
        hint = f"did you mean {' or '.join(names)}?"
    return UnknownNameError(f"There is no environment called {env_id!r}; {hint}")


def register_environments() -> None:
    """Register every id with Gymnasium; registering twice is harmless."""
    for spec in ENVIRONMENTS:
        if spec.id not in gym.registry:
            gym.register(
                id=spec.id,
                entry_point=spec.entry_point,
                vector_entry_point=spec.vector_entry_point,
                disable_env_checker=True,  # the tests run the full checker on every id
                order_enforce=False,  # every environment here says itself when reset() is due
            )
