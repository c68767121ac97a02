"""tau2-bench's own orchestrator, where its checkout is installed: every domain it has, on this thread.

Only names that tau2 1.0.1 has are used, two of them private (``Orchestrator._check_termination`` and ``_finalize``).
"""

from __future__ import annotations

import hashlib
import importlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from credit_gym.envs.tau2.actions import STOP, Malformed, Message, ToolCall, parse_action
from credit_gym.envs.tau2.conversation import Draw, Moment
from credit_gym.envs.tau2.database import Database, Tables
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.reward import STOPPED, Grade, Judge, counted, is_told, transcript
from credit_gym.envs.tau2.tasks import Task, read_message, read_task
from credit_gym.envs.tau2.toolkit import Tool, Toolkit
from credit_gym.envs.tau2.users import User
from credit_gym.errors import CreditGymError, ManifestError, MissingExtraError, unknown

THEIRS = ("airline", "banking_knowledge", "mock", "retail", "telecom", "telecom-workflow")
"""The domains of tau2 1.0.1."""


def has_tau2() -> bool:
    """Whether tau2-bench is installed; nothing is imported, and the package of that name on PyPI is another project."""
    found = find_spec("tau2")
    places = [] if found is None else list(found.submodule_search_locations or ())
    return any((Path(place) / "registry.py").is_file() for place in places)


def require_tau2() -> None:
    """Check that tau2-bench is installed, without importing anything.

    Raises:
        MissingExtraError: it is not; or the package of that name is the one from PyPI, which is another project.
    """
    if has_tau2():
        return
    taken = find_spec("tau2") is not None
    other = "the tau2 that is installed is another project, the one of that name on PyPI" if taken else "it is missing"
    raise MissingExtraError(
        f"tau2-bench's own code is needed, and {other}: with Python 3.12 or 3.13 run pip install "
        '"/path/to/tau2-bench[gym]" on a checkout of github.com/sierra-research/tau2-bench and set TAU2_DATA_DIR to '
        'its data folder, or play domain="library", which ships with credit-gym.'
    )


def open_checkout(name: str, *, solo: bool = False) -> Domain:
    """Return a domain of the installed tau2-bench. Its database stays there: the tables are empty.

    Raises:
        MissingExtraError: tau2-bench is not installed, or one of the packages that it needs.
        UnknownNameError: it has no such domain.
        ManifestError: a file of its data folder is missing or malformed.
    """
    require_tau2()
    with _sentences(name):
        registry = _tau2("registry").registry
        known = registry.get_domains()
    if name not in known:
        raise unknown("tau2 domain", name, known)
    with _sentences(name):
        environment = registry.get_env_constructor(name)(solo_mode=solo)
        policy, theirs, users = environment.get_policy(), environment.get_tools(), environment.user_tools
        tasks = {str(task.id): read_task(task.model_dump(mode="json")) for task in registry.get_tasks_loader(name)()}
        loader = registry.get_task_splits_loader(name)
        splits = {} if loader is None else {key: tuple(map(str, ids)) for key, ids in (loader() or {}).items()}
        mine = environment.get_user_tools() if users is not None else ()
    return Domain(
        name=name,
        policy=policy,
        tools=Toolkit(_tool(tool, environment.tools) for tool in theirs),
        user_tools=Toolkit(_tool(tool, users) for tool in mine),
        tables=Tables({}),
        tasks=tasks,
        splits={"base": tuple(tasks), **splits, "all": tuple(tasks)},
    )


class CheckoutConversation:
    """The conversations of one task, carried on by tau2's orchestrator; there is one at a time, and no going back.

    Args:
        domain: of :func:`open_checkout`.
        task: what it is about.
        user: the customer.
        solo: whether the agent works alone.
        max_steps: most messages that are passed on.
        max_errors: most refused calls.
    """

    def __init__(self, domain: Domain, task: Task, user: User, *, solo: bool, max_steps: int, max_errors: int) -> None:
        self._domain, self._task, self._user = domain, task, user
        self._solo, self._limits = solo, {"max_steps": max_steps, "max_errors": max_errors}
        self._empty = Database(domain.tables)

    def begin(self, draw: Draw) -> Moment:
        """Return the first moment at which the agent must act.

        Raises:
            MissingExtraError: a package that tau2-bench needs is missing.
            ManifestError: a file of its data folder has gone or is malformed.
        """
        registry = _tau2("registry").registry
        self._agent, customer = _agent(), _customer(self, draw)
        with _sentences(self._domain.name):
            listed = registry.get_tasks_loader(self._domain.name)()
            self._theirs = {str(task.id): task for task in listed}[self._task.id]
            environment = registry.get_env_constructor(self._domain.name)(solo_mode=self._solo)
        if self._solo:
            customer = _tau2("user.user_simulator").DummyUser()
        self._orchestrator = _tau2("orchestrator.orchestrator").Orchestrator(
            domain=self._domain.name,
            agent=self._agent,
            user=customer,
            environment=environment,
            task=self._theirs,
            seed=draw() >> 33,
            solo_mode=self._solo,
            **self._limits,
        )
        self._orchestrator._run_start_time = _tau2("utils.utils").get_now()
        self._orchestrator._run_start_perf = time.perf_counter()
        self._begun = False
        self.memory = self._user.begin(self._task, draw())
        if not self._solo:  # alone, the orchestrator asks for an action as soon as it begins
            self._initialize()
            self._advance()
        return self._moment(0)

    def act(self, moment: Moment, action: str, draw: Draw) -> Moment:
        """Return the moment after an action."""
        read = parse_action(action, self._domain.tools, upstream=True)
        if isinstance(read, Malformed):
            return moment._replace(shown=len(moment.messages), invalid=True)
        message = _tau2("data_model.message")
        if isinstance(read, ToolCall) and read.name == "done":
            read = STOP
        if isinstance(read, ToolCall):
            call = message.ToolCall(id="", name=read.name, arguments=dict(read.arguments), requestor="assistant")
            self._agent.following = message.AssistantMessage(role="assistant", content=None, tool_calls=[call])
        else:
            self._agent.following = message.AssistantMessage(role="assistant", content=read)
        if self._begun:
            self._orchestrator.step()
            self._orchestrator._check_termination()
        else:
            self._initialize()
        self._advance()
        return self._moment(len(moment.messages))

    def worth(self, moment: Moment) -> float:
        """Return the share of the reference calls that were made; the database itself is out of reach here."""
        wanted = len(self._task.actions or ())
        return moment.matched.bit_count() / wanted if wanted else 0.0

    def key(self, moment: Moment) -> str:
        """Return a hash of the conversation, from which everything else follows."""
        return hashlib.blake2b(repr((self._task.id, moment.messages)).encode("utf-8", "backslashreplace")).hexdigest()

    def grade(self, moment: Moment, judge: Judge | None) -> Grade:
        """Return tau2's own grade; assertions in natural language are the judge's, or left out."""
        if moment.over not in STOPPED:
            return Grade(0.0, {}, {"reward": 0.0, "info": {"note": f"The conversation ended by {moment.over}."}})
        simulation = self._orchestrator._finalize()
        evaluator = _tau2("evaluator.evaluator")
        parts = {
            kind: evaluator.evaluate_simulation(
                simulation=simulation,
                task=self._theirs,
                evaluation_type=evaluator.EvaluationType[kind],
                solo_mode=self._solo,
                domain=self._domain.name,
            )
            for kind in ("ENV", "ACTION", "COMMUNICATE")
        }
        basis = set(self._task.basis)
        components: dict[str, float | None] = {}
        if basis & {"DB", "ENV_ASSERTION"}:
            components["ENV"] = float(parts["ENV"].reward)
        components |= {kind: float(parts[kind].reward) for kind in ("ACTION", "COMMUNICATE") if kind in basis}
        if "NL_ASSERTION" in basis:
            wanted = self._task.natural_language
            met = [] if not wanted else None if judge is None else judge(transcript(moment.messages), wanted)
            components["NL_ASSERTION"] = None if met is None else float(all(met))
        reward = 1.0
        for value in components.values():
            reward *= 1.0 if value is None else value
        details = {"reward": reward, **{kind.lower(): part.model_dump(mode="json") for kind, part in parts.items()}}
        return Grade(reward, components, details)

    def reply(self, draw: Draw) -> Any:
        """Return what the customer says to the conversation so far, as a message of tau2."""
        messages = tuple(_ours(message) for message in self._orchestrator.trajectory)
        reply = self._user.reply(self._task, self.memory, messages, self._empty, draw())
        self.memory = reply.memory
        theirs = _tau2("data_model.message")
        if reply.call is None:
            return theirs.UserMessage(role="user", content=reply.text)
        call = theirs.ToolCall(id="", name=reply.call.name, arguments=dict(reply.call.arguments), requestor="user")
        return theirs.UserMessage(role="user", content=None, tool_calls=[call])

    def _initialize(self) -> None:
        self._begun = True
        self._orchestrator.initialize()

    def _advance(self) -> None:
        """Let everybody but the agent act."""
        agent = _tau2("orchestrator.orchestrator").Role.AGENT
        while not self._orchestrator.done and self._orchestrator.to_role != agent:
            self._orchestrator.step()
            self._orchestrator._check_termination()

    def _moment(self, shown: int) -> Moment:
        orchestrator = self._orchestrator
        messages = tuple(_ours(message) for message in orchestrator.trajectory)
        calls = [call for message in messages if message.role != "tool" for call in message.all_calls]
        said = [message.content for message in messages if message.role == "assistant" and message.content]
        made = matched = 0
        for call in calls:
            made, matched = counted(self._task.actions, call, made, matched)
        return Moment(
            database=self._empty,
            messages=messages,
            shown=shown if shown else max((n + 1 for n, m in enumerate(messages) if m.role == "assistant"), default=0),
            memory=self.memory,
            hops=orchestrator.step_count,
            errors=orchestrator.num_errors,
            over=str(getattr(orchestrator.termination_reason, "value", "")) if orchestrator.done else "",
            made=made,
            matched=matched,
            told=_bits(any(is_told(info, text) for text in said) for info in self._task.communicate),
            invalid=bool(messages) and messages[-1].error and messages[-1].requestor == "assistant",
        )


@contextmanager
def _sentences(name: str) -> Iterator[None]:
    """Say in one sentence what a checkout lacks.

    What tau2 raises when it reads its data is anything from ``FileNotFoundError`` to pydantic's ``ValidationError``, a
    ``ValueError``.
    """
    try:
        yield
    except CreditGymError:
        raise
    except ImportError as error:
        raise _incomplete(error) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ManifestError(
            f"tau2-bench cannot open its domain {name!r} ({type(error).__name__}: {_first_line(error)}): point "
            "TAU2_DATA_DIR at the data folder of its checkout."
        ) from error


def _incomplete(error: ImportError) -> MissingExtraError:
    return MissingExtraError(
        f"tau2-bench's own code does not run here ({_first_line(error)}): install it with its packages, "
        'pip install "/path/to/tau2-bench[gym]".'
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "no reason given")[:200]


def _tau2(name: str) -> Any:
    """A module of tau2; importing it must not reach for the network."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        importlib.import_module("loguru").logger.disable("tau2")
        return importlib.import_module(f"tau2.{name}")
    except ImportError as error:
        raise _incomplete(error) from error


def _agent() -> Any:
    """An agent for the orchestrator that says what it is given; a solo orchestrator insists on the name."""

    class GymAgent:
        following: Any = None

        def get_init_state(self, message_history: Sequence[Any] | None = None) -> list[Any]:
            return list(message_history or ())

        def generate_next_message(self, message: Any, state: list[Any]) -> tuple[Any, list[Any]]:
            return self.following, state

        @staticmethod
        def is_stop(message: Any) -> bool:
            return STOP in (message.content or "")

        def set_seed(self, seed: int) -> None:
            """Nothing here is random."""

        def stop(self, message: Any = None, state: Any = None) -> None:
            """There is nothing to release."""

    return GymAgent()


def _customer(conversation: CheckoutConversation, draw: Draw) -> Any:
    """A customer for the orchestrator, whose words are ours."""

    class Customer:
        def get_init_state(self, message_history: Sequence[Any] | None = None) -> list[Any]:
            return list(message_history or ())

        def generate_next_message(self, message: Any, state: list[Any]) -> tuple[Any, list[Any]]:
            return conversation.reply(draw), state

        def set_seed(self, seed: int) -> None:
            """Its draws come from the environment's stream."""

        def stop(self, message: Any = None, state: Any = None) -> None:
            """There is nothing to release."""

    return Customer()


def _tool(tool: Any, toolkit: Any) -> Tool:
    """A tool of tau2 as one of ours that can be described but not called."""
    schema = tool.openai_schema
    parameters = schema["function"]["parameters"]
    kind = str(getattr(toolkit.tool_type(tool.name), "value", "generic")).lower()
    arguments = dict.fromkeys(parameters.get("properties", {}), _anything)
    return Tool(
        name=tool.name,
        schema=schema,
        arguments=arguments,
        required=frozenset(parameters.get("required", ())),
        kind="write" if kind == "write" else "read" if kind == "read" else "generic",
        function=_not_ours,
    )


def _anything(value: Any, name: str) -> Any:
    return value


def _not_ours(*args: Any, **arguments: Any) -> Any:
    raise AssertionError("The tools of a checkout are called by its orchestrator.")


def _ours(message: Any) -> Message:
    return read_message(message.model_dump(mode="json"))


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << number for number, flag in enumerate(flags) if flag)
