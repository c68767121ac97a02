"""Questioning games over scenarios: each game has its own facts, conclusions, and exact belief."""

from __future__ import annotations

import hashlib
import math
import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from credit_gym.envs.information.candidates import MODES, UNANSWERED
from credit_gym.envs.information.env import NOTHING_KNOWN, QuestionEnv, Snapshot, Task
from credit_gym.envs.information.judge import Answerer, LLMJudge
from credit_gym.envs.information.language import words
from credit_gym.envs.information.reward import Turn
from credit_gym.envs.information.sources import Scenario, choose, read_scenarios
from credit_gym.envs.information.world import Question, members, phrases
from credit_gym.envs.webshop.stemmer import stem
from credit_gym.errors import CreditGymError, ManifestError, unknown

ONE_AT_A_TIME = "One thing at a time, please."
REPEATED = "You have already done that; try something else."
GOAL = "Goal reached"


class Fact(NamedTuple):
    """Something that can be asked for.

    Attributes:
        ask: its wording among the admissible actions.
        say: sets of word stems; a text with all stems of one set asks for it.
        question: what would be answered, as a partition of the possible worlds.
    """

    ask: str
    say: tuple[frozenset[str], ...]
    question: Question


class Conclusion(NamedTuple):
    """Something that can be claimed, and ends the game if it is right.

    Attributes:
        name: short name: a culprit, a cause, a thing to recommend.
        fact: how it is claimed, and what is then answered in each possible world.
        right: the worlds in which it is right; those of all conclusions are a partition.
    """

    name: str
    fact: Fact
    right: int


@dataclass(frozen=True)
class Case:
    """One scenario.

    A set of possible worlds is one integer, bit i standing for world i. All worlds are equally likely at the start.

    Attributes:
        id: its name.
        split: ``train``, ``eval`` or ``test``.
        briefing: what the agent is told.
        truth: the same as somebody knows it who has to play the scenario: the hidden part.
        facts: what can be asked for.
        conclusions: what can be claimed.
        worlds: number of possible worlds.
        world: the true one.
    """

    id: str
    split: str
    briefing: str
    truth: str
    facts: tuple[Fact, ...]
    conclusions: tuple[Conclusion, ...]
    worlds: int
    world: int

    @cached_property
    def answer(self) -> Conclusion:
        """The conclusion that is right in the true world."""
        return next(each for each in self.conclusions if each.right >> self.world & 1)

    @cached_property
    def wordings(self) -> dict[tuple[str, ...], Fact]:
        """Facts and conclusions by the words of their wordings."""
        return {tuple(words(f.ask)): f for f in (*self.facts, *(c.fact for c in self.conclusions))}


class ScenarioEnv(QuestionEnv):
    """A questioning game in which each task has its own facts.

    A text asks for the fact of which it has the most keywords; a text that has none, or as many of two, is refused
    (``invalid``) and tells nothing. Answers are the scenario's, always truthful. After each of them the belief is
    uniform over the worlds that would have answered alike: ``log b_t`` is the log of the share of them in which the
    right conclusion is right, ``info["verifier"]`` its change, in nats, and readings of a game sum to ``log b_T -
    log b_0``. ``info["expert_actions"]`` has the fact of the largest expected gain, and once nothing gains more, or on
    the last turn, the likeliest conclusion.

    With a judge, a language model plays the scenario: nothing is known about its answers in advance, the verifier reads
    NaN and there is no expert.

    Args:
        cases: the embedded scenarios.
        frame: what the agent is told to do, before the briefing.
        scenarios: a published scenario file (entries with ``agent``, the briefing, and ``env``, the truth), in place of
            the cases; it needs an answerer.
        split: ``train``, ``eval``, ``test``, ``all`` or the name of a list of the file; None takes ``train`` of the
            embedded cases, and all of a file.
        answerer: who answers in place of the rules.
        attempts: number of wrong conclusions that loses the game; None for no limit.
        mode: ``default`` or ``upstream``.
        turns: most turns of a game.
        num_tasks: keep only so many scenarios.
        reward: name of the reward.
        expert: whether ``info`` has ``expert_actions``.
        render_mode: ``ansi`` or None.

    Raises:
        ManifestError: the file is malformed or given without an answerer, or the split is empty.
        UnknownNameError: there is no such mode or reward.
        CreditGymError: ``attempts`` is no positive integer.
    """

    unreadable = "That was not understood; ask about one thing in simple words."
    unconcluded = "That settles nothing yet."

    def __init__(
        self,
        cases: Sequence[Case],
        frame: str,
        *,
        scenarios: str | os.PathLike[str] | None,
        split: str | None,
        answerer: Answerer | LLMJudge | None,
        attempts: int | None,
        mode: str,
        turns: int,
        num_tasks: int | None,
        reward: str,
        expert: bool,
        render_mode: str | None,
    ) -> None:
        if mode not in MODES:
            raise unknown("mode", mode, MODES)
        whole = isinstance(attempts, (int, np.integer)) and not isinstance(attempts, bool)
        if attempts is not None and not (whole and attempts >= 1):
            raise CreditGymError(f"attempts must be a positive integer, or None for no limit, not {attempts!r}.")
        if scenarios is not None and answerer is None:
            raise ManifestError(
                f"The rules have no facts about the scenarios of {os.fspath(scenarios)}: give answerer= to play them."
            )
        if scenarios is None:
            by_id = {case.id: case for case in cases}
            chosen = choose([Scenario(case.id, "", case.split) for case in cases], split or "train", num_tasks)
            self._cases = tuple(by_id[each.secret] for each in chosen)
            tasks = [Task(c.id, c.split, f"{frame} {c.briefing}", c.answer.name) for c in self._cases]
        else:
            chosen = choose(read_scenarios(scenarios), split or "all", num_tasks)
            self._cases = ()
            tasks = [Task(case_id("file", s.secret), s.split, f"{frame} {s.briefing}", s.secret) for s in chosen]
        super().__init__(tasks, turns=turns, reward=reward, render_mode=render_mode)
        self.judge = None if answerer is None else LLMJudge.of(answerer)
        self.blocking = self.judge is not None  # a step may wait for a model
        self.attempts = attempts
        self.mode = mode
        self._expert = expert and self.judge is None
        self._best = lru_cache(1 << 16)(self._best_action)

    @abstractmethod
    def _concludes(self, action: str) -> bool:
        """Return whether an action claims a conclusion, by its form."""

    @abstractmethod
    def _judge_messages(self, truth: str, action: str, earlier: Sequence[Turn]) -> list[Mapping[str, str]]:
        """Return the chat that lets a model answer an action."""

    @property
    def case(self) -> Case:
        """The scenario being played.

        Raises:
            CreditGymError: it comes from a file: only the judge knows it.
        """
        if not self._cases:
            raise CreditGymError("Nothing is known about the scenarios of a file but their text.")
        return self._cases[self._current.task]

    def information_gain(self, action: str, state: Snapshot | None = None) -> float:
        """Return the expected gain of an action: the mutual information of its answer and the right conclusion, nats.

        Args:
            action: any text that the rules understand; one that they do not would gain nothing.
            state: where it is done; None for the current moment.
        """
        case, known = self._at(state)
        fact = self._understood(case, action)
        return 0.0 if fact is None else _gain(known, fact.question, [each.right for each in case.conclusions])

    def log_belief(self, state: Snapshot | None = None) -> float:
        """Return the exact log posterior of the right conclusion at a state, None for the current moment; nats."""
        case, known = self._at(state)
        return _log_share(known, case.answer.right)

    def remaining(self, state: Snapshot | None = None) -> tuple[str, ...]:
        """Return the conclusions that the answers so far leave possible."""
        case, known = self._at(state)
        return tuple(each.name for each in case.conclusions if known & each.right)

    def _beginning(self) -> tuple[str, Any]:
        return "Begin.", (1 << self.case.worlds) - 1 if self.judge is None else None

    def _worth(self, memory: Any) -> float:
        return NOTHING_KNOWN if self.judge is not None else _log_share(memory, self.case.answer.right)

    def _outlook(self) -> dict[str, Any]:
        if not self._cases:
            return {"admissible_actions": []}
        case = self.case
        found: dict[str, Any] = {
            "admissible_actions": [f.ask for f in case.facts] + [c.fact.ask for c in case.conclusions]
        }
        if self._expert:
            left = self.turns - sum(turn.kind != "unanswered" for turn in self.asked)
            found["expert_actions"] = [self._best(self._current.task, self.memory, left <= 1)]
        return found

    def _reply(self, action: str) -> tuple[Turn, Any]:
        if self.judge is not None:
            return self._judged(action, self.judge)
        if action.count("?") > 1:
            return Turn(action, ONE_AT_A_TIME, "invalid"), self.memory
        case = self.case
        fact = self._understood(case, action)
        if fact is None:
            return Turn(action, self.unreadable, "invalid"), self.memory
        claim = next((each for each in case.conclusions if each.fact is fact), None)
        if any(turn.key == fact.question.key for turn in self.asked):
            return Turn(action, REPEATED, "repeated"), self.memory
        answer, chosen = fact.question.cell(case.world)
        if claim is None:
            return Turn(action, answer, "answered", fact.question.key), self.memory & chosen
        won = bool(claim.right >> case.world & 1)
        return self._claimed(action, answer, fact.question.key, won=won), self.memory & chosen

    def _claimed(self, action: str, answer: str, key: str, *, won: bool) -> Turn:
        """Return the turn of a conclusion; a wrong one loses the game if it was the last attempt."""
        wrong = sum(turn.key.startswith("=") for turn in self.asked) + 1
        lost = self.attempts is not None and wrong >= self.attempts
        return Turn(action, answer, "won" if won else "lost" if lost else "answered", key)

    def _judged(self, action: str, judge: LLMJudge) -> tuple[Turn, Any]:
        upstream = self.mode == "upstream"
        claims = self._concludes(action)
        key = ("=" if claims else "") + " ".join(words(action))
        if not upstream and action.count("?") > 1:
            return Turn(action, ONE_AT_A_TIME, "invalid"), None
        if not upstream and any(turn.key == key for turn in self.asked):
            return Turn(action, REPEATED, "repeated"), None
        truth = self.case.truth if self._cases else self.target
        earlier = () if upstream else tuple(turn for turn in self.asked if turn.key)
        reply = judge.ask(
            self._judge_messages(truth, action, earlier), lambda text: text.strip() or ("" if upstream else None)
        )
        if reply is None:
            return Turn(action, UNANSWERED, "unanswered"), None
        reached = "goal reached" in reply.lower()
        if upstream:
            return Turn(action, reply, "won" if reached else "answered", key), None
        if claims:
            return self._claimed(action, GOAL if reached else reply, key, won=reached), None
        return Turn(action, self.unconcluded if reached else reply, "answered", key), None

    def _understood(self, case: Case, action: str) -> Fact | None:
        """Return the one fact or conclusion that an action is about."""
        said = words(action)
        exact = case.wordings.get(tuple(said))
        if exact is not None:
            return exact
        stems = frozenset(map(stem, said))
        if self._concludes(action):
            claim = _nearest(stems, [each.fact for each in case.conclusions])
            if claim is not None or self._only_concludes(action):
                return claim
        return _nearest(stems, case.facts)

    def _only_concludes(self, action: str) -> bool:
        """Return whether an action that claims no known conclusion can be nothing else."""
        return True

    def _at(self, state: Snapshot | None) -> tuple[Case, int]:
        if self.judge is not None:
            raise CreditGymError(
                "Only where the rules answer is the belief exact: make the environment without answerer."
            )
        state = state or self._current
        return self._cases[state.task], int(state.memory)

    def _best_action(self, task: int, known: int, last: bool) -> str:
        case = self._cases[task]
        labels = [each.right for each in case.conclusions]
        likeliest = max(case.conclusions, key=lambda each: (known & each.right).bit_count())
        if not last and known & ~likeliest.right:
            single = [1 << world for world in members(known)]
            gains = ((_gain(known, fact.question, labels), fact) for fact in case.facts)
            gain, best = max(gains, key=lambda pair: pair[0])
            if gain < 1e-9:  # nothing tells the conclusions apart at once; two answers together may
                gain, best = max(((_gain(known, f.question, single), f) for f in case.facts), key=lambda pair: pair[0])
            if gain > 1e-9:
                return best.ask
        return likeliest.fact.ask


def case_id(kind: str, text: str) -> str:
    """Return the id of a scenario: it tells nothing."""
    return f"{kind}-{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}"


def fact_of(row: Mapping[str, str], answers: Iterable[tuple[str, int]], worlds: int) -> Fact:
    """Return the fact of a data row with ``ask`` and ``say``, by its answers and their worlds."""
    return Fact(row["ask"], keywords(row["say"]), partition(row["ask"], answers, worlds))


def idle_facts(rows: Iterable[Mapping[str, str]], worlds: int) -> list[Fact]:
    """Return facts that are answered alike in every world, and so tell nothing."""
    return [fact_of(row, [(row["answer"], (1 << worlds) - 1)], worlds) for row in rows]


def worlds_where(holds: Iterable[bool]) -> int:
    """Return the set of the worlds for which something holds, given for each of them."""
    return sum(1 << number for number, each in enumerate(holds) if each)


def keywords(text: str) -> tuple[frozenset[str], ...]:
    """Return the sets of stems of phrases that commas separate."""
    return tuple(frozenset(map(stem, words(phrase))) for phrase in phrases(text))


def partition(key: str, answers: Iterable[tuple[str, int]], worlds: int) -> Question:
    """Return a question by its answers and their worlds.

    Raises:
        ManifestError: the answers do not cover every world exactly once.
    """
    cells = tuple((answer, chosen) for answer, chosen in answers if chosen)
    union = 0
    for _, chosen in cells:
        union |= chosen
    if union != (1 << worlds) - 1 or sum(chosen.bit_count() for _, chosen in cells) != worlds:
        raise ManifestError(f"The answers to {key!r} must cover every possible case exactly once.")
    return Question(key, cells)


def transcript(truth: str, action: str, earlier: Sequence[Turn]) -> str:
    """Return what a judge is shown of a game."""
    said = "".join(f"\n> {turn.action}\n{turn.text}" for turn in earlier)
    return f"Hidden truth: {truth}\n" + (f"So far:{said}\n" if said else "") + f"Now: {action}"


def _nearest(stems: frozenset[str], facts: Sequence[Fact]) -> Fact | None:
    """Return the fact that a text says most keywords of, None where it says none or as many of two.

    The longest phrase counts, then the number of phrases.
    """
    best, found = (0, 0), None
    for fact in facts:
        sizes = [len(phrase) for phrase in fact.say if phrase <= stems]
        score = max(sizes, default=0), len(sizes)
        if score > best:
            best, found = score, fact
        elif score == best:
            found = None
    return found


def _log_share(known: int, chosen: int) -> float:
    return math.log((known & chosen).bit_count() / known.bit_count())


def _gain(known: int, question: Question, labels: Sequence[int]) -> float:
    """Mutual information of the answer and the label, all known worlds equally likely."""
    total = known.bit_count()
    left = sum(_spread(known & chosen, labels) for _, chosen in question.cells)
    return max((_spread(known, labels) - left) / total, 0.0)


def _spread(known: int, labels: Sequence[int]) -> float:
    """The entropy of the label in a set of worlds, times their number."""
    total = known.bit_count()
    counts = [(known & chosen).bit_count() for chosen in labels]
    return total * math.log(total) - sum(n * math.log(n) for n in counts if n) if total else 0.0
