"""One conversation as a value: every step makes the next one, so that any moment can be kept and continued."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from credit_gym.envs.tau2.actions import (
    STOP,
    Calls,
    Malformed,
    Message,
    ToolCall,
    is_stop,
    parse_action,
    write_function,
)
from credit_gym.envs.tau2.database import Database
from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.progress import Progress
from credit_gym.envs.tau2.reward import Grade, Judge, counted, grade, is_told
from credit_gym.envs.tau2.tasks import Task
from credit_gym.envs.tau2.users import User

GREETING = Message("assistant", "Hi! How can I help you today?")

_YES = re.compile(r"\byes\b", re.IGNORECASE)

Draw = Callable[[], int]
"""Returns 64 random bits."""


class Moment(NamedTuple):
    """Where a conversation stands; immutable.

    Attributes:
        database: as it is now.
        messages: all of them, the task's history included.
        shown: index of the first message that the agent has not seen.
        memory: the customer's.
        hops: messages passed on, as tau2 counts steps.
        errors: calls that were refused, of either side.
        over: why it has ended, in tau2's words; empty while it goes on.
        identified: what the last identification answered, empty for none.
        confirmed: whether the customer has said yes since the last change.
        made: bits: the calls of the reference solution that were made, each call counting for one of them.
        matched: bits: the calls of the reference solution that some call matches.
        told: bits: what the customer was told of what they must be.
        breaches: rules broken by changes so far, in order.
        invalid: whether the last action was malformed or refused.
    """

    database: Database
    messages: tuple[Message, ...]
    shown: int = 0
    memory: Any = None
    hops: int = 0
    errors: int = 0
    over: str = ""
    identified: str = ""
    confirmed: bool = False
    made: int = 0
    matched: int = 0
    told: int = 0
    breaches: tuple[str, ...] = ()
    invalid: bool = False


class Conversation:
    """The rules by which the conversations of one task go on.

    Args:
        domain: where it takes place.
        task: what it is about.
        user: the customer.
        solo: whether the agent works alone and may send no messages; the domain is then its :meth:`Domain.alone`.
        max_steps: most messages that are passed on (a tool call and its answer are two).
        max_errors: the conversation ends at this many refused calls.
        upstream: read actions and compare calls exactly as tau2 does.
    """

    def __init__(
        self, domain: Domain, task: Task, user: User, *, solo: bool, max_steps: int, max_errors: int, upstream: bool
    ) -> None:
        self.domain, self.task = domain, task
        self._user, self._solo, self._upstream = user, solo, upstream
        self._max_steps, self._max_errors = max_steps, max_errors
        self._beginning = domain.begin(task)
        self.gold = domain.gold(task, self._beginning)
        self._wanted = domain.wanted(task, self.gold, upstream=upstream)
        self._valued: tuple[Database, float, int] | None = None
        self._gold_names = frozenset(action.call.name for action in task.actions or ())

    @cached_property
    def progress(self) -> Progress:
        """How far a database is from the gold one."""
        return Progress(self.gold)

    def begin(self, draw: Draw) -> Moment:
        """Return the first moment at which the agent must act."""
        messages = self.task.history or (() if self._solo else (GREETING,))
        moment = Moment(self._beginning, messages, len(messages), self._user.begin(self.task, draw()))
        for message in self.task.history:
            moment = self._noted(moment, message)
        if not self._solo and messages[-1].role == "assistant":
            moment = self._users_turn(moment, draw)
        return moment

    def replay(self, moment: Moment, messages: Sequence[Message]) -> Moment:
        """Return the moment after recorded messages: calls are made again, words and answers are taken as they were.

        Args:
            moment: where they begin.
            messages: of both sides and the tools.
        """
        for message in messages:
            if message.role == "tool":
                continue
            if message.content:
                moment = self._said(moment, message._replace(call=None, calls=()))
            for call in message.all_calls:
                moment = self._called(moment, Message(message.role, call=call), call)
        return moment

    def act(self, moment: Moment, action: str, draw: Draw) -> Moment:
        """Return the moment after an action, when the agent must act again or all is over."""
        moment = moment._replace(shown=len(moment.messages), invalid=False)
        read = parse_action(action, self.domain.tools, upstream=self._upstream)
        if isinstance(read, Malformed):
            return self._misunderstood(moment, read)
        if isinstance(read, ToolCall) and read.name == "done":
            read = STOP
        if isinstance(read, (ToolCall, Calls)):
            return self._called_in_turn(moment, (read,) if isinstance(read, ToolCall) else read.calls)
        moment = self._said(moment, Message("assistant", read))
        if STOP in read:
            return self._ended(moment, "agent_stop")
        if self._solo:
            return moment._replace(over="agent_error", invalid=True)
        moment = self._limited(moment)
        return moment if moment.over else self._users_turn(moment, draw)

    def worth(self, moment: Moment) -> float:
        """Return the potential whose change is the verifier signal.

        It is the mean, over the parts of the reward that the task has, of the share that is reached (gold changes made,
        texts told, calls matched, assertions that hold). Where the database is graded, it is less one for each row that
        holds something it should not (see :class:`~credit_gym.envs.tau2.progress.Progress`). Where only assertions
        about the database are, these may hold no sooner than after the last gold change; the share of changes leads
        there.
        """
        task = self.task
        share, wrong_rows = self._progress(moment.database)
        parts = []
        if self.progress.changes and ("DB" in task.basis or ("ENV_ASSERTION" in task.basis and task.assertions)):
            parts.append(share)
        if "COMMUNICATE" in task.basis and task.communicate:
            parts.append(moment.told.bit_count() / len(task.communicate))
        if "ACTION" in task.basis and task.actions:
            parts.append(moment.matched.bit_count() / len(task.actions))
        if "ENV_ASSERTION" in task.basis and task.assertions:
            holding = sum(self.domain.holds(moment.database, assertion) for assertion in task.assertions)
            parts.append(holding / len(task.assertions))
        reached = sum(parts) / len(parts) if parts else 0.0
        return reached - wrong_rows if "DB" in task.basis else reached

    def key(self, moment: Moment) -> str:
        """Return a stable hash of the true state: the database, the customer, and what was settled between them.

        What an agent has merely looked up is not part of it.
        """
        state = (
            self.task.id,
            moment.database.shift,
            moment.memory and tuple(moment.memory),
            moment.identified,
            moment.confirmed,
            moment.matched,
            moment.told,
            moment.over,
        )
        return hashlib.blake2b(repr(state).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()

    def grade(self, moment: Moment, judge: Judge | None) -> Grade:
        """Return the grade that a conversation has, if it has ended; the reward of one under way is 0."""
        return grade(
            self.domain,
            self.task,
            self._wanted,
            moment.database,
            moment.messages,
            moment.over,
            judge=judge,
            upstream=self._upstream,
        )

    def _progress(self, database: Database) -> tuple[float, int]:
        """Share and wrong rows of a database; most steps leave it as it was."""
        if self._valued is None or self._valued[0] is not database:
            self._valued = (database, self.progress.share(database), self.progress.wrong_rows(database))
        return self._valued[1:]

    def _misunderstood(self, moment: Moment, read: Malformed) -> Moment:
        """An action that means nothing: an error, but in tau2 nothing at all."""
        if self._upstream:
            return moment._replace(invalid=True)
        answer = Message("tool", f"Error: {read.reason}", error=True)
        messages = (*moment.messages, answer)
        return self._limited(
            moment._replace(messages=messages, invalid=True, errors=moment.errors + 1, hops=moment.hops + 1)
        )

    def _users_turn(self, moment: Moment, draw: Draw) -> Moment:
        """Let the customer act until it has spoken or a limit is reached."""
        while not moment.over:
            reply = self._user.reply(self.task, moment.memory, moment.messages, moment.database, draw())
            moment = moment._replace(memory=reply.memory)
            if reply.call is not None:
                moment = self._called(moment, Message("user", call=reply.call), reply.call)
                moment = self._limited(moment)
                continue
            moment = self._said(moment, Message("user", reply.text))
            if is_stop(reply.text or ""):
                return self._ended(moment, "user_stop")
            return self._limited(moment)
        return moment

    def _said(self, moment: Moment, message: Message) -> Moment:
        moment = moment._replace(messages=(*moment.messages, message), hops=moment.hops + 1)
        if message.role == "user":
            return moment._replace(confirmed=moment.confirmed or bool(_YES.search(message.content or "")))
        return self._noted(moment, message)

    def _called_in_turn(self, moment: Moment, calls: Sequence[ToolCall]) -> Moment:
        """Make the agent's calls one after another, as if each were an action, until the conversation is over."""
        invalid = False
        for call in calls:
            if call.name == "done":
                moment = self._ended(self._said(moment, Message("assistant", STOP)), "agent_stop")
            else:
                call = call._replace(requestor="assistant")
                moment = self._limited(self._called(moment, Message("assistant", call=call), call))
                invalid = invalid or moment.invalid
            if moment.over:
                break
        return moment._replace(invalid=invalid)

    def _called(self, moment: Moment, message: Message, call: ToolCall) -> Moment:
        """Make a call and append it and its answer."""
        result = self.domain.call(moment.database, call)
        answer = Message("tool", result.content, requestor=call.requestor, error=result.error)
        changes: dict[str, Any] = {
            "messages": (*moment.messages, message, answer),
            "hops": moment.hops + 2,
            "errors": moment.errors + result.error,
            "database": result.database,
            "invalid": result.error and call.requestor == "assistant",
        }
        if not result.error:
            changes |= self._consequences(moment, call, result.content)
        return self._noted(moment._replace(**changes), message)

    def _consequences(self, moment: Moment, call: ToolCall, content: str) -> dict[str, Any]:
        """What a successful call means for identification, consent and the rules."""
        if call.name in self.domain.identify:
            return {"identified": content}
        if call.requestor == "user" or call.name in self.domain.user_tools or not self.domain.writes(call):
            return {}
        broken = list(moment.breaches)
        if self.domain.identify and not moment.identified:
            broken.append("the customer was not identified before a change")
        asks = self.domain.consent is None or call.name in self.domain.consent
        if asks and not self._solo and not moment.confirmed:
            broken.append("the customer had not said yes to a change")
        rule = self.domain.breach
        found = rule(moment.database, call, moment.identified) if rule is not None else None
        if found is not None:
            broken.append(found)
        return {"confirmed": False, "breaches": tuple(broken)}

    def _noted(self, moment: Moment, message: Message) -> Moment:
        """Keep the books on what the reference solution asks for."""
        if message.role == "assistant" and message.content and self.task.communicate:
            told = moment.told
            for number, info in enumerate(self.task.communicate):
                if not told >> number & 1 and is_told(info, message.content, upstream=self._upstream):
                    told |= 1 << number
            moment = moment._replace(told=told)
        for call in message.all_calls:
            if call.name in self._gold_names:
                made, matched = counted(self.task.actions, call, moment.made, moment.matched, upstream=self._upstream)
                moment = moment._replace(made=made, matched=matched)
        return moment

    def _ended(self, moment: Moment, reason: str) -> Moment:
        """End the conversation; in tau2 a limit that is reached by the last word takes precedence."""
        moment = moment._replace(over=reason)
        return self._limited(moment) if self._upstream else moment

    def _limited(self, moment: Moment) -> Moment:
        """End the conversation if a limit is reached."""
        if moment.errors >= self._max_errors:
            return moment._replace(over="too_many_errors")
        if moment.hops >= self._max_steps:
            return moment._replace(over="max_steps")
        return moment


def shown(messages: tuple[Message, ...]) -> str:
    """Return messages as tau2 shows them: one a line, the customer's own tool calls and their answers left out."""
    return "\n".join(
        f"{message.role}: {message.content if message.call is None else write_function(message.call)}"
        for message in messages
        if not (message.role == "user" and message.call)
        and not (message.role == "tool" and message.requestor == "user")
    )


def last_result_of(moment: Moment) -> str:
    """Return the newest answer of a tool that the agent has called, empty for none."""
    for message in reversed(moment.messages):
        if message.role == "tool" and message.requestor == "assistant" and not message.error:
            return message.content or ""
    return ""
