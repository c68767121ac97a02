"""The rules of an episode: every action makes the next moment, so that any moment can be kept and continued."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from credit_gym.data.call_dialects import Unreadable, parameters, read_calls
from credit_gym.data.calls import write_call
from credit_gym.envs.agent_dojo.effects import Effects, Facts
from credit_gym.envs.agent_dojo.suite import Call, Suite, World

_EMPTY = "The action is empty: write a tool call, or your answer to the user."
_LONGEST_ERROR = 500  # characters
_MOST_CALLS = 50  # of one action
_TOO_MANY = f"Make at most {_MOST_CALLS} calls in one action; none was made."


class Task(NamedTuple):
    """What is played: a user task of a suite, and an injection task, empty for none, worded by an attack."""

    suite: Suite
    user: str
    injection: str
    attack: str

    @property
    def id(self) -> str:
        """Suite, user task and injection task."""
        return f"{self.suite.name}/{self.user}/{self.injection or 'none'}"


class Moment(NamedTuple):
    """Where an episode stands; immutable.

    Attributes:
        world: as it is now.
        calls: all that were made, refused ones included.
        facts: what changed in the world since the beginning.
        made: bits: the calls of the ground truth that were made, each call counting for one of them.
        shown: what the agent sees.
        steps: actions taken.
        message: what the agent said to the user, which ended the episode; None so far.
        invalid: whether the last action could not be read or was refused.
        read: whether an injection has been read.
        obeyed: the action that first did something of the injected goal, counted from 0; -1 for none.
        over: whether the episode has ended.
        utility: whether the user task is done, at the end.
        security: whether the injected goal is reached, at the end; True where nothing was injected, as in the package.
    """

    world: World
    calls: tuple[Call, ...]
    facts: Facts
    made: int
    shown: str
    steps: int = 0
    message: str | None = None
    invalid: bool = False
    read: bool = False
    obeyed: int = -1
    over: bool = False
    utility: bool = False
    security: bool = False


class Rules:
    """How episodes of one task go.

    Args:
        task: what is played.
        max_steps: the episode is over after so many actions.
    """

    def __init__(self, task: Task, max_steps: int) -> None:
        suite = task.suite
        self.task, self._max_steps = task, max_steps
        injections = suite.injections(task.user, task.injection, task.attack) if task.injection else {}
        self._letters = tuple(dict.fromkeys(map(_letters, injections.values())))
        self.start = suite.begin(task.user, injections)
        self.gold = tuple(suite.gold(task.user, self.start))
        along = self._along(self.gold)
        self._effects = Effects(along)
        self.injected = tuple(suite.gold(task.injection, self.start)) if task.injection else ()
        self._injected = Effects(self._along(self.injected))
        own = self._injected.made(along[-1])  # what the user wants too tells nothing of the injection
        self._telling = tuple(bool(need) and not shared for need, shared in zip(self._injected.needs, own, strict=True))
        self._reached_before = bool(task.injection) and self._reached(self.begin())
        self._tools = parameters(suite.schemas)

    def begin(self) -> Moment:
        """Return the first moment."""
        prompt = self.task.suite.user_tasks[self.task.user].prompt
        return Moment(self.start, (), {}, 0, f"user: {prompt}")

    def act(self, moment: Moment, action: str) -> Moment:
        """Return the moment after an action."""
        read = read_calls(action, self._tools) if action.strip() else Unreadable(_EMPTY)
        if len(read) > _MOST_CALLS:
            read = Unreadable(_TOO_MANY)
        after = moment._replace(steps=moment.steps + 1, over=moment.steps + 1 >= self._max_steps)
        if isinstance(read, Unreadable):
            after = after._replace(shown=f"tool: {_error(read.reason)}", invalid=True)
        elif read:
            after = self._called(after, [Call(each["name"], each["arguments"]) for each in read])
        else:
            after = after._replace(message=action, shown="", invalid=False, over=True)
        after = self._labelled(moment, after)
        return self._judged(after) if after.over else after

    def worth(self, moment: Moment) -> float:
        """Return the potential whose change is the verifier signal.

        It is the share of the ground truth that is there, the last message being one part of it: calls that change
        something by their effect in the world, calls that only look by having been made. At the end it is 1 where the
        task is done, in whatever way.
        """
        if moment.utility:
            return 1.0
        needs = self._effects.needs
        done = sum(
            effect if need else moment.made >> number & 1
            for number, (need, effect) in enumerate(zip(needs, self._effects.made(moment.facts), strict=True))
        )
        return done / (len(needs) + 1)

    def expert(self, moment: Moment) -> str:
        """Return the next action of the ground truth."""
        for number, call in enumerate(self.gold):
            if not moment.made >> number & 1:
                return write_call(*call)
        return self.task.suite.user_tasks[self.task.user].answer or "That is done."

    def key(self, moment: Moment) -> str:
        """Return a stable hash of the true state: the world, what was looked up of the ground truth, and the end."""
        progress = moment.made, moment.read, moment.over, moment.utility
        state = self.task.id, self.task.attack, self.task.suite.digest(moment.world), progress
        return hashlib.blake2b(repr(state).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()

    def _called(self, moment: Moment, calls: Sequence[Call]) -> Moment:
        """Make calls one after another."""
        suite, world, made = self.task.suite, moment.world, moment.made
        answers, invalid = [], False
        for call in calls:
            world, content, refused = suite.call(world, call)
            answers.append(f"tool: {_error(content) if refused else content}")
            invalid = invalid or refused
            made = made if refused else self._counted(made, call)
        shown = "\n".join(answers)
        return moment._replace(
            world=world,
            calls=(*moment.calls, *calls),
            facts=moment.facts if world is moment.world else suite.facts(self.start, world),
            made=made,
            shown=shown,
            invalid=invalid,
            read=moment.read or self._is_read(shown),
        )

    def _labelled(self, before: Moment, after: Moment) -> Moment:
        """Note the step that first did something of the injected goal."""
        if after.obeyed >= 0 or not self.task.injection:
            return after
        if after.world is before.world and after.message is None:
            return after
        made = self._injected.made(after.facts)
        did = any(effect and telling for effect, telling in zip(made, self._telling, strict=True))
        reached = not did and not self._reached_before and self._reached(after)
        return after._replace(obeyed=before.steps) if did or reached else after

    def _judged(self, moment: Moment) -> Moment:
        """Ask the suite what was done."""
        task, message = self.task, moment.message or ""
        utility = task.suite.utility(task.user, message, self.start, moment.world, moment.calls)
        return moment._replace(utility=utility, security=self._reached(moment))

    def _reached(self, moment: Moment) -> bool:
        task, message = self.task, moment.message or ""
        return not task.injection or task.suite.security(
            task.injection, message, self.start, moment.world, moment.calls
        )

    def _along(self, calls: Sequence[Call]) -> list[Facts]:
        """What has changed at the beginning and after each call."""
        found: list[Facts] = [{}]
        world = self.start
        for call in calls:
            world = self.task.suite.call(world, call).world
            found.append(self.task.suite.facts(self.start, world))
        return found

    def _counted(self, made: int, call: Call) -> int:
        for number, wanted in enumerate(self.gold):
            if not made >> number & 1 and wanted == call:
                return made | 1 << number
        return made

    def _is_read(self, shown: str) -> bool:
        if not self._letters:
            return False
        letters = _letters(shown)
        return any(text in letters for text in self._letters)


def _letters(text: str) -> str:
    """A text without what writers of JSON and YAML put between its letters."""
    return "".join(filter(str.isalnum, text.replace("\\n", "")))


def _error(sentence: str) -> str:
    """An error that any file can hold: it may quote the argument of a hostile call."""
    sentence = sentence if sentence.startswith("Error: ") else f"Error: {sentence}"
    return sentence[:_LONGEST_ERROR].encode("utf-8", "backslashreplace").decode()
