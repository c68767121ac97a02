"""credit/WhoAndWhen-v0: read a failed multi-agent run and name the agent and the step that ruined it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from functools import lru_cache
from math import log2
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium as gym

from credit_gym.data.action_families import Family
from credit_gym.data.action_format import ActionFormat
from credit_gym.envs.file_stamp import Stamp, stamp
from credit_gym.envs.text_env import TextEnv, task_number
from credit_gym.envs.who_and_when import logs as published
from credit_gym.envs.who_and_when import planted
from credit_gym.envs.who_and_when.logs import FailureLog, read_logs
from credit_gym.errors import ManifestError, unknown
from credit_gym.estimation.ranges import Count
from credit_gym.metrics.attribution import plain_name

MOST_UNREADABLE = 3
"""Answers of an episode that may fail to say anything before it is cut off."""

_STEP = re.compile(r"step(?:\s+number)?\W{0,5}([0-9]+)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")
_HARDLY_MORE = re.compile(r"\s*(?:[A-Za-z]+\s+){0,3}[0-9]+[\s.]*")  # than a number
_SAYS = re.compile(r"\W*+(?:1\.\W*+)?(yes|no|upper|lower)\b", re.IGNORECASE)


class Position(NamedTuple):
    """Where an episode stands.

    Attributes:
        log: index of the log.
        low, high: the first and last message that could still be named.
        shown: messages that have been read.
        unreadable: answers that said nothing.
        named: the step that was named, -1 so far.
        agent: the agent that was named.
        over: whether the episode has ended.
        verifier: what the last answer achieved, bits.
        invalid: whether the last answer said nothing.
    """

    log: int
    low: int
    high: int
    shown: int
    unreadable: int = 0
    named: int = -1
    agent: str = ""
    over: bool = False
    verifier: float = 0.0
    invalid: bool = False


class WhoAndWhenEnv(TextEnv):
    """Failure attribution (Zhang et al., 2025, Who&When) as an environment, by the three published protocols.

    * ``all_at_once``: the whole log is shown; answer with the agent and the step, such as ``WebSurfer 12``.
    * ``step_by_step``: one more message at a time; ``yes`` blames the newest one, ``no`` reads on.
    * ``binary_search``: ``upper`` or ``lower`` says in which half of the range the error lies.

    The reward is 1 when the named step is exactly the labelled one, else 0. ``info["verifier"]`` is the number of bits
    by which the answer narrowed the error down: ``log2`` of candidates before over candidates after where the labelled
    step is still among them, minus the bits that were left where it no longer is. After the end,
    ``info["attribution"]`` has the step and the agent that were named, whether each is right, and the distance.

    Args:
        split: ``train`` or ``test`` of the generated logs; ``Algorithm-Generated`` or ``Hand-Crafted`` of the real
            ones.
        protocol: see above.
        num_tasks: how many logs to generate.
        data: folder of the real data set; by default the variable ``WHO_AND_WHEN_DIR``.
        show_answer: whether the right answer of the failed task is shown, as the published prompts do.
        render_mode: ``ansi`` or None.

    Raises:
        UnknownNameError: there is no such split or protocol.
        ManifestError: the folder is missing, or holds no log that can be read; a damaged one among others is left out,
            with a warning.
    """

    action_format = ActionFormat(
        how="Answer the question in its own terms, on one line.",
        examples=("WebSurfer 12", "yes", "upper"),
        families=(
            Family("answer", "{answer}", "Answer the question.", (("answer", "In its own terms, on one line."),)),
        ),
    )
    ends_when = (
        "Terminates when a step is named, by the last halving too, or at the fourth answer that cannot be read; "
        "never truncated."
    )
    data_from = (
        "Logs made here, each with one planted error (`train`, `test`); the published ones "
        "(`Algorithm-Generated`, `Hand-Crafted`) from the folder that `data=` or WHO_AND_WHEN_DIR names."
    )
    published = "Who&When (Zhang et al., 2025) by its three protocols, of which nothing is shipped."
    reward_rule = "1 where the named step is exactly the labelled one, else 0."
    verifier_rule = "Bits by which the answer narrowed the error down, less those that were left where it lost it."
    own_info_keys = MappingProxyType(
        {"attribution": "at the end: the step and the agent that were named, whether each is right, and how far off"}
    )

    def __init__(
        self,
        split: str = "train",
        *,
        protocol: str = "all_at_once",
        num_tasks: Count = 100,
        data: str | os.PathLike[str] | None = None,
        show_answer: bool = False,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(render_mode=render_mode)
        if protocol not in PROTOCOLS:
            raise unknown("protocol", protocol, PROTOCOLS)
        self.logs = _load(split, num_tasks, None if data is None else os.fspath(data))
        self._protocol, self._show_answer = PROTOCOLS[protocol], show_answer
        self._at: Position | None = None

    @property
    def num_tasks(self) -> int:
        """How many logs there are."""
        return len(self.logs)

    @property
    def most_steps(self) -> int:
        """Answers that say something, one a message at most, and those that do not."""
        return max(len(log.messages) for log in self.logs) + MOST_UNREADABLE + 1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Open a log; ``options={"task": i}`` picks it, else the seed does."""
        index = self.seed_episode(seed) * len(self.logs) >> 64
        if options is not None and "task" in options:
            index = task_number(options["task"], len(self.logs))
        last = len(self.logs[index].messages) - 1
        return self._moment(Position(index, 0, last, 1 if self._protocol.gradual else last + 1))

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Answer the question; an answer that says nothing is asked again, at most :data:`MOST_UNREADABLE` times."""
        at = self._at
        if at is None or at.over:
            raise gym.error.ResetNeeded("There is no episode under way: call reset() first.")
        log = self.logs[at.log]
        after = self._protocol.answered(log, at, action)
        if after is None:
            unreadable = at.unreadable + 1
            at = at._replace(unreadable=unreadable, over=unreadable > MOST_UNREADABLE, verifier=0.0, invalid=True)
        else:
            kept = after.low <= log.step <= after.high
            gained = _bits(at) - _bits(after) if kept else -_bits(at)
            at = after._replace(verifier=gained, invalid=False)
        observation, info = self._moment(at)
        reward = float(at.named == log.step)
        return observation, reward, at.over, False, info

    def clone_state(self) -> tuple[int | None, Position]:
        """Return the stream and the position, a few numbers.

        Raises:
            ResetNeeded: no episode has begun.
        """
        if self._at is None:
            raise gym.error.ResetNeeded("There is no episode to clone: call reset() first.")
        return self.stream, self._at

    def restore_state(self, state: tuple[int | None, Position]) -> tuple[str, dict[str, Any]]:
        """Continue from a clone, which may come from another environment with the same logs."""
        self.stream, at = state
        return self._moment(at)

    def render(self) -> str | None:
        """Return the latest observation in ``ansi`` mode."""
        return self._moment(self._at)[0] if self.render_mode == "ansi" and self._at is not None else None

    def _answers_left(self, low: int, high: int) -> int:
        """Most answers that say something while the error lies from low to high."""
        return high - low + 1 if self._protocol.gradual or self._protocol.ask is _ask_half else 1

    def _moment(self, at: Position) -> tuple[str, dict[str, Any]]:
        self._at = at
        log = self.logs[at.log]
        goal = f"The run failed: {log.question}"
        info: dict[str, Any] = {
            "task": {"id": log.id, "split": log.split, "goal": goal},
            "state_key": _key(log, at),
            "admissible_actions": self._protocol.offered(log, at),
            "expert_actions": [self._protocol.expert(log, at)],
            "verifier": at.verifier,
            "invalid": at.invalid,
            "step_limit": MOST_UNREADABLE + self._answers_left(0, len(log.messages) - 1),
            "steps_left": 0 if at.over else MOST_UNREADABLE - at.unreadable + self._answers_left(at.low, at.high),
        }
        if at.over:
            info["success"] = at.named == log.step
            info["attribution"] = {
                "step": at.named,
                "agent": at.agent,
                "step_correct": at.named == log.step,
                "agent_correct": plain_name(at.agent) == plain_name(log.agent),
                "distance": abs(at.named - log.step) if at.named >= 0 else len(log.messages),
            }
            return "The log is closed.", info
        answer = f"The right answer was: {log.answer}\n" if self._show_answer else ""
        transcript = "\n".join(f"Step {i} - {m.agent}: {m.content}" for i, m in enumerate(log.messages[: at.shown]))
        again = "That could not be read. " if at.invalid else ""
        return f"{goal}\n{answer}\n{transcript}\n\n{again}{self._protocol.ask(log, at)}", info


def _whole_answer(log: FailureLog, at: Position, action: str) -> Position | None:
    """The step is the number after the word, else the last one; the agent the first named, else the step's writer."""
    found = _STEP.search(action)
    numbers = [found[1]] if found else _NUMBER.findall(action)
    if not numbers or len(numbers[-1]) > len(str(len(log.messages))) or int(numbers[-1]) >= len(log.messages):
        return None
    step, said = int(numbers[-1]), action.casefold()
    agents = {message.agent for message in log.messages if message.agent.casefold() in said}
    if not (found or agents or _HARDLY_MORE.fullmatch(action)):
        return None  # a number in a text about something else
    first = min(agents, key=lambda name: (said.index(name.casefold()), -len(name)), default=log.messages[step].agent)
    return _ended(at, step, first)


def _read_on(log: FailureLog, at: Position, action: str) -> Position | None:
    said = _SAYS.match(action)
    if said is None or said[1].casefold() not in ("yes", "no"):
        return None
    newest = at.shown - 1
    if said[1].casefold() == "yes":
        return _ended(at, newest, log.messages[newest].agent)
    if at.shown == len(log.messages):
        return at._replace(low=1, high=0, over=True)  # all were absolved: nothing is named
    return at._replace(low=at.shown, shown=at.shown + 1)


def _half(log: FailureLog, at: Position, action: str) -> Position | None:
    said = _SAYS.match(action)
    if said is None or said[1].casefold() not in ("upper", "lower"):
        return None
    middle = at.low + (at.high - at.low) // 2
    after = at._replace(high=middle) if said[1].casefold() == "upper" else at._replace(low=middle + 1)
    return after if after.low < after.high else _ended(after, after.low, log.messages[after.low].agent)


def _ended(at: Position, step: int, agent: str) -> Position:
    return at._replace(low=step, high=step, named=step, agent=agent, over=True)


def _ask_all(log: FailureLog, _: Position) -> str:
    return f"Which agent made the decisive error, and at which step (0 to {len(log.messages) - 1})? Agent, then step."


def _ask_newest(_: FailureLog, at: Position) -> str:
    return f"Is step {at.shown - 1} the decisive error, without which the run would have succeeded? yes or no."


def _ask_half(_: FailureLog, at: Position) -> str:
    middle = at.low + (at.high - at.low) // 2
    halves = f"upper half (steps {at.low} to {middle}) or the lower ({middle + 1} to {at.high})"
    return f"Is the decisive error in the {halves}?"


def _offer_all(log: FailureLog, _: Position) -> list[str]:
    return [f"{message.agent} {step}" for step, message in enumerate(log.messages)]


def _best_half(log: FailureLog, at: Position) -> str:
    return "upper" if log.step <= at.low + (at.high - at.low) // 2 else "lower"


class Protocol(NamedTuple):
    """One way to question.

    Attributes:
        answered: the position after an answer, None if it says nothing.
        ask: the question.
        offered: answers to choose from.
        expert: the right answer.
        gradual: whether messages are shown one by one.
    """

    answered: Callable[[FailureLog, Position, str], Position | None]
    ask: Callable[[FailureLog, Position], str]
    offered: Callable[[FailureLog, Position], list[str]]
    expert: Callable[[FailureLog, Position], str]
    gradual: bool = False


PROTOCOLS = {
    "all_at_once": Protocol(_whole_answer, _ask_all, _offer_all, lambda log, _: f"{log.agent} {log.step}"),
    "step_by_step": Protocol(
        _read_on,
        _ask_newest,
        lambda *_: ["yes", "no"],
        lambda log, at: "yes" if at.shown - 1 == log.step else "no",
        gradual=True,
    ),
    "binary_search": Protocol(_half, _ask_half, lambda *_: ["upper", "lower"], _best_half),
}


def _bits(at: Position) -> float:
    """What it would take to single out one message of the range."""
    return log2(max(at.high - at.low + 1, 1))


def _key(log: FailureLog, at: Position) -> str:
    state = (log.split, log.id, at.low, at.high, at.shown, at.unreadable, at.named, at.agent, at.over)
    return hashlib.blake2b(repr(state).encode(), digest_size=16).hexdigest()


def _load(split: str, num_tasks: int, data: str | None) -> tuple[FailureLog, ...]:
    if split in planted.SPLITS:
        return _planted(split, num_tasks)
    if split not in published.SPLITS:
        raise unknown("split", split, (*planted.SPLITS, *published.SPLITS))
    folder = data or os.environ.get("WHO_AND_WHEN_DIR")
    if not folder:
        raise ManifestError(f"The split {split} is real data: set WHO_AND_WHEN_DIR to a copy of the Who&When data set.")
    return _published(Path(folder), split, stamp(Path(folder), Path(folder) / split))


@lru_cache(maxsize=8)
def _planted(split: str, num_tasks: int) -> tuple[FailureLog, ...]:
    return tuple(planted.generate_log(split, index) for index in range(num_tasks))


@lru_cache(maxsize=8)
def _published(folder: Path, split: str, _: Stamp) -> tuple[FailureLog, ...]:
    """The logs of a folder, read again when it changed."""
    return read_logs(folder, split)
