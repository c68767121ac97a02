"""credit/Tau2-v0: serve a customer with tools, under a policy, graded by the database that is left."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium as gym

from credit_gym.data.action_format import ActionFormat
from credit_gym.envs.tau2.actions import Message
from credit_gym.envs.tau2.checkout import THEIRS, CheckoutConversation, has_tau2, open_checkout
from credit_gym.envs.tau2.conversation import Conversation, Moment, last_result_of, shown
from credit_gym.envs.tau2.customers import customer
from credit_gym.envs.tau2.database import Database
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.folder import PUBLISHED, read_domain
from credit_gym.envs.tau2.library import desk
from credit_gym.envs.tau2.library.embedded import EMBEDDED, library
from credit_gym.envs.tau2.reference import next_action, untold
from credit_gym.envs.tau2.reward import Grade, Judge
from credit_gym.envs.tau2.tasks import Task
from credit_gym.envs.tau2.toolkit import signature
from credit_gym.envs.tau2.users import Model, RecitingUser
from credit_gym.envs.text_env import TextEnv, task_number
from credit_gym.errors import CreditGymError, ManifestError, unknown
from credit_gym.estimation.ranges import Count

_HOW = """You are a service agent. Obey the policy below. In each turn do one of two things:
write a message to the customer, or make one tool call, as {"name": "tool", "arguments": {...}} or tool(argument='x').
Call done() to end the conversation once everything is settled."""
_HOW_ALONE = """You are a service agent and work on a ticket, without a customer. Obey the policy below.
In each turn make one tool call, as {"name": "tool", "arguments": {...}} or tool(argument='x').
Call done() once everything is settled; anything else ends the work unfinished."""


class Snapshot(NamedTuple):
    """One moment of an episode; it fits every environment of the same domain with the same arguments.

    Attributes:
        stream: state of the random stream.
        task: index of the task.
        changed: the rows of the database that differ from the domain's.
        moment: the rest of the conversation, without its database.
        suggested: actions on offer.
        verifier: reading of the last transition.
    """

    stream: int | None
    task: int
    changed: dict[tuple[str, str], Any]
    moment: Moment
    suggested: tuple[str, ...]
    verifier: float


class Tau2Env(TextEnv):
    """tau2-bench (Barres et al., 2025): an agent with tools serves a customer, who has a hidden goal.

    An action is a message to the customer, or a tool call as ``{"name": ..., "arguments": {...}}`` or as
    ``name(argument='x')``, or in any other dialect (:func:`~credit_gym.envs.tau2.actions.parse_action`); several are
    made one after another. ``done()`` ends the conversation. The observation is what has been said since: ``user: ...``
    and ``tool: ...``. A call that is refused is answered with an error, counted, and changes nothing. The episode
    terminates when either side ends the conversation, and is truncated after ``max_steps`` messages or ``max_errors``
    refused calls. The reward is 0 until the end and then the published product of checks
    (:func:`~credit_gym.envs.tau2.reward.grade`).

    Beside the common keys, ``info`` has ``policy``, ``tools`` (OpenAI function descriptions), ``errors``, ``hops``,
    ``breaches`` (rules of the policy broken by changes, as far as a machine can tell), ``expert_actions`` (of the
    reference solution), and at the end ``reward_components``, ``reward_info`` (as tau2 writes it) and ``termination``.
    The reference solution itself is in none of them. ``info["verifier"]`` is the change of
    :meth:`~credit_gym.envs.tau2.conversation.Conversation.worth`: how much nearer the database and the customer's
    knowledge came to what the task wants.

    The domain ``library`` ships with the package and plays a scripted customer. ``mock``, ``retail``, ``airline`` and
    ``telecom`` (with its other policy: ``telecom-workflow``) are played by rules written here, on the files of a
    tau2-bench data folder. Without a language model their customer recites the task's instructions; that of telecom
    does with the phone what the agent asks (:class:`~credit_gym.envs.tau2.phone_owner.PhoneOwner`).
    ``admissible_actions`` is empty there: nobody can list what could be said. Where there is no data folder, and in
    every other domain, tau2-bench's own code plays, if its checkout is installed; such episodes cannot be cloned, and
    their verifier counts the reference calls that were made.

    Args:
        domain: ``library``, ``mock``, ``retail``, ``airline``, ``telecom``, ``telecom-workflow``, or any that the
            checkout has.
        task_id: play this task only.
        split: ``train``, ``eval``, ``test`` or ``all`` of the library; of the published domains, what their files
            have (``base``, ``train``, ``test``, ``small``, ...) or ``all``. By default ``train`` of the library and
            ``base`` elsewhere.
        data: the data folder of tau2-bench; by default the variable ``TAU2_DATA_DIR``.
        user: a language model that plays the customer: ``user(chat) -> text``, where a chat is a sequence of messages
            with ``role`` and ``content``. It must be deterministic for episodes to be.
        judge: decides assertions in natural language; without one they are left out of the reward.
        solo: no customer: the first observation is the ticket, and the agent has the customer's tools too.
        max_steps: most messages that are passed on; a tool call and its answer are two.
        max_errors: most refused calls.
        mode: ``default``, or ``upstream`` for tau2 1.0.1 with its oddities: how actions are read
            (:func:`~credit_gym.envs.tau2.actions.parse_action`) and checked
            (:mod:`~credit_gym.envs.tau2.reward`), and how retail modifies items.
        checkout: play a published domain by tau2-bench's own code too.
        render_mode: ``ansi`` or None.

    Raises:
        UnknownNameError: there is no such domain, split, mode or task.
        ManifestError: the data folder is not set, or a file in it is missing or malformed.
        MissingExtraError: the domain needs tau2-bench's own code, which is not installed.
    """

    action_format = ActionFormat(
        "tool_call",
        how="Write a message to the customer, or make a tool call.",
        examples=('{"name": "find_member_by_email", "arguments": {"email": "ann@mail.test"}}', "done()"),
        result="tool: ",
    )

    limit_argument = "max_steps"
    ends_when = (
        "Terminates when either side ends the conversation; truncated after `max_steps` messages or `max_errors` "
        "refused calls."
    )
    data_from = (
        "The embedded library (`train`, `eval`, `test`); published domains, in the splits of their files, from "
        "the folder that `data=` or TAU2_DATA_DIR names, or by an installed tau2-bench."
    )
    published = (
        "tau2-bench (Barres et al., 2025), of whose data nothing is shipped. `mode='upstream'` is tau2 1.0.1 with "
        "its oddities; the default corrects them."
    )
    page = "tau2"
    reward_rule = "0 until the end, then the published product of checks: database, what was said, actions."
    verifier_rule = "How much nearer the database and the customer's knowledge came to what the task wants."
    own_info_keys = MappingProxyType(
        {
            "policy": "the rules that the agent serves by",
            "tools": "its tools, as OpenAI's function descriptions",
            "errors": "refused calls so far",
            "hops": "messages passed on so far",
            "breaches": "rules broken so far, as far as a machine can tell",
            "reward_components": "at the end: the checks",
            "reward_info": "at the end: the same as tau2 writes it",
            "termination": "at the end: who or what ended the conversation",
        }
    )

    def __init__(
        self,
        domain: str = EMBEDDED,
        *,
        task_id: str | None = None,
        split: str | None = None,
        data: str | os.PathLike[str] | None = None,
        user: Model | None = None,
        judge: Judge | None = None,
        solo: bool = False,
        max_steps: Count = 100,
        max_errors: Count = 10,
        mode: str = "default",
        checkout: bool = False,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(render_mode=render_mode)
        if mode not in ("default", "upstream"):
            raise unknown("mode", mode, ("default", "upstream"))
        self._upstream = mode == "upstream"
        data = data if data is not None else os.environ.get("TAU2_DATA_DIR") or None
        at_hand = domain in PUBLISHED and (data is not None or not has_tau2())
        self._checkout = checkout or (domain in THEIRS and not at_hand)
        if self._checkout:
            self.domain = open_checkout(domain, solo=solo)
        else:
            self.domain = open_domain(domain, data, upstream=self._upstream, solo=solo)
        if solo:
            self.domain = self.domain.alone()
        self.tasks = _chosen(self.domain, task_id, split, solo)
        self._split = split or ("train" if domain == EMBEDDED else "base")
        self._solo, self._judge = solo, judge
        self.blocking = self._checkout or user is not None or judge is not None
        self._scripted = domain == EMBEDDED and user is None and not solo
        self._user = customer(self.domain, user, solo)
        self._listens = not isinstance(self._user, RecitingUser)
        self._limits = {"max_steps": max_steps, "max_errors": max_errors}
        self._schemas = [*self.domain.tools.schemas, _DONE_SCHEMA]
        listed = "\n".join(f"- {signature(schema)}" for schema in self._schemas)
        how = _HOW_ALONE if solo else _HOW
        if solo:
            self.action_format = replace(self.action_format, how="Make a tool call.", families=())
        self._goal = f"{how}\n\n# Policy\n\n{self.domain.policy.strip()}\n\n# Tools\n\n{listed}"
        self._conversation = lru_cache(1024)(self._open)
        self._task = -1
        self._moment: Moment | None = None
        self._suggested: tuple[str, ...] = ()

    @property
    def num_tasks(self) -> int:
        """Number of tasks that ``reset`` chooses from."""
        return len(self.tasks)

    @property
    def task(self) -> Task:
        """The task being played; it holds the reference solution."""
        return self.tasks[self._task]

    @property
    def moment(self) -> Moment:
        """Where the conversation stands.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self._moment is None:
            raise gym.error.ResetNeeded("There is no episode: call reset() first.")
        return self._moment

    @property
    def most_steps(self) -> int:
        """The limit of messages: every step passes on one at least."""
        return self._limits["max_steps"]

    def limiting(self, steps: int) -> dict[str, Any]:
        """Return a limit of messages, of which a step passes on several, that no number of steps reaches."""
        return {"max_steps": 1 << 62}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Start a conversation; ``options={"task": i}`` picks the task, else the seed does."""
        task = self.seed_episode(seed) * len(self.tasks) >> 64
        if options is not None and "task" in options:
            task = task_number(options["task"], len(self.tasks))
        self._task, self._talk = task, self._conversation(task)
        self._suggested = ()
        return self._at(self._talk.begin(self.draw), 0.0)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Say something or call a tool.

        Raises:
            ResetNeeded: the conversation is over, or has not begun.
        """
        before = self._moment
        if before is None or before.over:
            raise gym.error.ResetNeeded("There is no conversation under way: call reset() first.")
        worth = self._worth
        after = self._talk.act(before, action, self.draw)
        observation, info = self._at(after, None, worth)
        reward = info["reward_info"]["reward"] if after.over else 0.0
        truncated = after.over in _LIMITS
        return observation, reward, bool(after.over) and not truncated, truncated, info

    def render(self) -> str | None:
        """Return the conversation in ``ansi`` mode."""
        if self.render_mode != "ansi" or self._moment is None:
            return None
        return shown(self._moment.messages)

    def clone_state(self) -> Snapshot:
        """Return this moment of the episode: the database as the rows that changed, the customer, and what was said."""
        if self._checkout:
            return super().clone_state()  # type: ignore[no-any-return]
        moment = self.moment
        bare = moment._replace(database=None)  # type: ignore[arg-type]
        return Snapshot(self.stream, self._task, moment.database.changed, bare, self._suggested, self._verifier)

    def restore_state(self, state: Snapshot) -> tuple[str, dict[str, Any]]:
        """Continue from a clone, which may come from another environment with the same arguments."""
        if self._checkout:
            return super().restore_state(state)
        self.stream, self._task, self._talk = state.stream, state.task, self._conversation(state.task)
        database = Database(self.domain.tables, state.changed)
        self._suggested = state.suggested
        return self._at(state.moment._replace(database=database), state.verifier)

    def _open(self, task: int) -> Conversation | CheckoutConversation:
        settings: dict[str, Any] = {"solo": self._solo, **self._limits}
        if self._checkout:
            return CheckoutConversation(self.domain, self.tasks[task], self._user, **settings)
        return Conversation(self.domain, self.tasks[task], self._user, upstream=self._upstream, **settings)

    def _at(self, moment: Moment, verifier: float | None, worth: float = 0.0) -> tuple[str, dict[str, Any]]:
        """Move to a moment; its verifier is given, or the change since it was worth so much."""
        self._moment, self._worth = moment, self._talk.worth(moment)
        self._verifier = self._worth - worth if verifier is None else verifier
        info: dict[str, Any] = {
            "task": {"id": self.task.id, "split": self._split, "goal": self._goal},
            "state_key": self._talk.key(moment),
            "verifier": self._verifier,
            "invalid": moment.invalid,
            "policy": self.domain.policy,
            "tools": self._schemas,
            "errors": moment.errors,
            "hops": moment.hops,
            "step_limit": self.most_steps,
            "steps_left": max(self.most_steps - moment.hops, 0),
            "breaches": len(moment.breaches),
        }
        unseen = tuple(message for message in moment.messages[moment.shown :] if message.role != "assistant")
        if self._scripted:
            self._suggest(unseen, moment.identified)
            result = last_result_of(moment)
            info["admissible_actions"] = desk.admissible(self._suggested, result)
            info["expert_actions"] = [] if moment.over else [self._clerk(moment, result)]
        else:
            info["admissible_actions"] = []
            following = [] if moment.over else [next_action(self.task, moment, solo=self._solo, listens=self._listens)]
            info["expert_actions"] = following
        if moment.over:
            found = self.grade()
            info["success"] = found.reward == 1.0
            info["reward_components"] = dict(found.components)
            info["reward_info"] = dict(found.details)
            info["termination"] = moment.over
        begins = self._solo and not moment.messages
        return (f"ticket: {self.task.ticket}" if begins else shown(unseen)), info

    def grade(self) -> Grade:
        """Return the grade that the conversation has, if it has ended; the reward of one under way is 0."""
        return self._talk.grade(self.moment, self._judge)

    def _suggest(self, messages: tuple[Message, ...], identified: str) -> None:
        """Add what new messages suggest to the actions on offer."""
        for message in messages:
            if message.content:
                new = desk.offers(message.content, identified)
                if new:
                    self._suggested = tuple(dict.fromkeys((*self._suggested, *new)))

    def _clerk(self, moment: Moment, last_result: str) -> str:
        """What an expert at the embedded domain's desk does next."""
        return desk.expert(
            self.task.script,
            moment.memory,
            identified=moment.identified,
            confirmed=moment.confirmed,
            made=[message.call for message in moment.messages if message.call and message.role == "assistant"],
            last=moment.messages[-1],
            last_result=last_result,
            told=frozenset(untold(self.task, ~moment.told)),
        )


def open_domain(
    name: str, data: str | os.PathLike[str] | None = None, *, upstream: bool = False, solo: bool = False
) -> Domain:
    """Return a domain: the embedded one, or one of a tau2-bench data folder.

    Args:
        name: of the domain.
        data: the data folder; by default the variable ``TAU2_DATA_DIR``.
        upstream: with the tools exactly as tau2 1.0.1 has them.
        solo: with the policy for an agent without a customer, where there is one.

    Raises:
        UnknownNameError: there is no such domain.
        ManifestError: the data folder is not set, or a file in it is missing or malformed.
    """
    if name == EMBEDDED:
        return library()
    if name not in PUBLISHED:
        raise unknown("domain", name, (EMBEDDED, *THEIRS))
    folder = data if data is not None else os.environ.get("TAU2_DATA_DIR") or None
    if folder is None:
        raise ManifestError(
            f"The domain {name!r} needs the files of tau2-bench: clone github.com/sierra-research/tau2-bench and set "
            f"TAU2_DATA_DIR to its data folder, or play domain={EMBEDDED!r}, which ships with credit-gym."
        )
    return read_domain(Path(folder), name, upstream=upstream, solo=solo)


def _chosen(domain: Domain, task_id: str | None, split: str | None, solo: bool) -> tuple[Task, ...]:
    if task_id is not None:
        if task_id not in domain.tasks:
            raise unknown(f"task of the domain {domain.name}", task_id, domain.tasks)
        tasks: tuple[Task, ...] = (domain.tasks[task_id],)
    else:
        tasks = domain.split(split or ("train" if domain.name == EMBEDDED else "base"))
    if solo:
        tasks = tuple(task for task in tasks if task.ticket and not task.history)
    if not tasks:
        raise CreditGymError(f"No task of the domain {domain.name} can be played alone: leave solo=True out.")
    return tasks


_LIMITS = frozenset(("max_steps", "too_many_errors"))
_DONE_SCHEMA: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "done",
        "description": "Call this when you are done with the task.",
        "parameters": {"type": "object", "properties": {}, "required": []},
    },
}
