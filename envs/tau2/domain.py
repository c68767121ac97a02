"""A domain: a database, the tools that both sides have, a policy, and tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from credit_gym.envs.tau2.actions import ToolCall
from credit_gym.envs.tau2.database import Database, Draft, Row, Tables
from credit_gym.envs.tau2.models import arranged
from credit_gym.envs.tau2.tasks import EnvCall, Task
from credit_gym.envs.tau2.toolkit import Refused, Result, Toolkit
from credit_gym.errors import ManifestError, unknown

Breach = Callable[[Database, ToolCall, str], str | None]
"""Which rule of the policy a successful call breaks, None if it breaks none.

It is told the database before the call, the call, and what the last identification answered."""


@dataclass(frozen=True, eq=False)
class Domain:
    """Everything that the conversations of one domain share.

    Attributes:
        name: ``retail``.
        policy: what the agent must obey, in words.
        tools: the agent's.
        user_tools: the customer's.
        tables: the rows that every task begins with; the customer's own tables are called ``user:...``.
        tasks: id -> task.
        splits: name -> ids.
        models: table -> what its rows look like, a :class:`~typing.TypedDict`; other tables hold what they are given.
        functions: what tasks may call beside tools: ``function(draft, **arguments)``, by side and name.
        identify: tools that establish who the customer is.
        consent: changes that need the customer's yes; None for all.
        sync: carries over to each side's rows what the other side did, after every call; None where nothing is shared.
        breach: the rules that can be checked on a call; None where they are only words.
    """

    name: str
    policy: str
    tools: Toolkit
    user_tools: Toolkit
    tables: Tables
    tasks: Mapping[str, Task]
    splits: Mapping[str, tuple[str, ...]]
    models: Mapping[str, type] = field(default_factory=dict)
    functions: Mapping[tuple[str, str], Callable[..., Any]] = field(default_factory=dict)
    identify: frozenset[str] = frozenset()
    consent: frozenset[str] | None = None
    sync: Callable[[Draft], None] | None = None
    breach: Breach | None = None

    def alone(self) -> Domain:
        """Return the domain as an agent without a customer has it: with the customer's tools beside its own."""
        return replace(self, tools=Toolkit((*self.tools.values(), *self.user_tools.values())))

    def split(self, name: str) -> tuple[Task, ...]:
        """Return the tasks of a split, in its order.

        Raises:
            UnknownNameError: there is no such split.
            ManifestError: it names a task that the domain does not have.
        """
        if name not in self.splits:
            raise unknown(f"split of the domain {self.name}", name, self.splits)
        missing = [key for key in self.splits[name] if key not in self.tasks]
        if missing:
            raise ManifestError(f"The split {name!r} of {self.name} names the task {missing[0]!r}, which is not there.")
        return tuple(self.tasks[key] for key in self.splits[name])

    def kit(self, requestor: str) -> Toolkit:
        """Return the tools of the ``assistant`` or the ``user``."""
        return self.user_tools if requestor == "user" else self.tools

    def call(self, database: Database, call: ToolCall) -> Result:
        """Carry out a tool call of either side, and what follows from it on the other."""
        return self.kit(call.requestor).call(database, call.name, call.arguments, after=self.sync)

    def writes(self, call: ToolCall) -> bool:
        """Whether a call may change the database."""
        tool = self.kit(call.requestor).get(call.name)
        return tool is not None and tool.kind == "write"

    def begin(self, task: Task) -> Database:
        """Return the database as a task begins: its data, its calls, and the writes of its message history.

        Raises:
            ManifestError: the task asks for a function that the domain does not have, or speaks of rows that are not
                there.
        """
        database = Database(self.tables)
        for table, rows in task.initial_data.items():
            merged = {key: _merged(database.get(table, key), fields) for key, fields in rows.items()}
            changes = arranged({table: merged}, self.models)[table]
            database = database.replace({(table, key): row for key, row in changes.items()})
        database = self._shared(task, database)
        for call in task.initial_calls:
            database, _ = self.run(database, call)
        for message in task.history:
            for made in message.all_calls:
                if self.writes(made):
                    database = self.call(database, made).database
        return database

    def run(self, database: Database, call: EnvCall) -> tuple[Database, Any]:
        """Call a function or a tool for a task; return the database after it and what it returned.

        Raises:
            ManifestError: there is no such function, or it refuses.
        """
        function = self.functions.get((call.side, call.name))
        tool = self.kit(call.side).get(call.name)
        if function is None and tool is None:
            raise ManifestError(f"The domain {self.name} has no function {call.name!r} on the side of {call.side!r}.")
        draft = Draft(database)
        try:
            returned = (function or tool.function)(draft, **call.arguments)  # type: ignore[union-attr]
            if draft.written and self.sync is not None:
                self.sync(draft)
        except (Refused, TypeError) as error:
            raise ManifestError(f"The task's call of {call.name!r} fails: {error}") from error
        return draft.commit(), returned

    def gold(self, task: Task, start: Database) -> tuple[Database, ...]:
        """Return the database after each call of the reference solution, which begins at ``start``."""
        path = [start]
        for action in task.actions or ():
            path.append(self.call(path[-1], action.call).database if self.writes(action.call) else path[-1])
        return tuple(path)

    def wanted(self, task: Task, path: Sequence[Database], *, upstream: bool) -> Database:
        """Return the database that a conversation's is compared with: where the reference solution ends.

        tau2 (``upstream``) carries nothing over between the calls of its reference.

        Args:
            task: whose solution it is.
            path: of :meth:`gold`.
            upstream: as tau2 does.
        """
        if self.sync is None or not upstream:
            return path[-1]
        return replace(self, sync=None).gold(task, path[0])[-1]

    def holds(self, database: Database, assertion: EnvCall) -> bool:
        """Whether an assertion holds of a database."""
        try:
            return bool(self.run(database, assertion)[1]) == assertion.expected
        except ManifestError as error:
            if isinstance(error.__cause__, Refused):
                return False  # it speaks of a row that does not exist
            raise

    def _shared(self, task: Task, database: Database) -> Database:
        if self.sync is None:
            return database
        draft = Draft(database)
        try:
            self.sync(draft)
        except Refused as error:
            raise ManifestError(f"The task {task.id!r} begins with rows that do not fit: {error}") from error
        return draft.commit()


def _merged(old: Row | None, fields: Mapping[str, Any]) -> Row:
    """A row with fields replaced, nested objects merged, as tau2 updates its database."""
    merged = dict(old or {})
    for name, value in fields.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged
