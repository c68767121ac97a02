"""Questioning games over scenarios: each game has its own facts, conclusions, and exact belief."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from credit_gym.envs.information.cases import Case, Fact
from credit_gym.envs.information.env import (
    LONGEST_QUESTION,
    MODES,
    NOTHING_KNOWN,
    TOO_LONG,
    UNANSWERED,
    QuestionEnv,
    Snapshot,
    Task,
    task_id,
)
from credit_gym.envs.information.judge import Answerer, LLMJudge
from credit_gym.envs.information.language import words
from credit_gym.envs.information.reward import Turn
from credit_gym.envs.information.sources import Scenario, choose, read_scenarios
from credit_gym.envs.information.world import Question, members
from credit_gym.envs.webshop.stemmer import stem
from credit_gym.errors import CreditGymError, ManifestError, unknown
from credit_gym.estimation.ranges import Count

ONE_AT_A_TIME = "One thing at a time, please."
REPEATED = "You have already done that; try something else."
GOAL = "Goal reached"


class ScenarioEnv(QuestionEnv):
    """A questioning game in which each task has its own facts.

    A text asks for the fact of which it has the most keywords; a text that has none, or as many of two, is refused
    (``invalid``) and tells nothing. So is one that claims several conclusions: a heap of them earns less than one does.
    Answers are the scenario's, always truthful. After each of them the belief is uniform over the worlds that would
    have answered alike: ``log b_t`` is the log of the share of them in which the right conclusion is right,
    ``info["verifier"]`` its change, in nats, and readings of a game sum to ``log b_T - log b_0``.
    ``info["expert_actions"]`` has the fact of the largest expected gain, and once nothing gains more, or on the last
    turn, the likeliest conclusion.

    With a judge, a language model plays the scenario: nothing is known about its answers in advance, the verifier reads
    NaN and there is no expert.

    Args:
        split: ``train``, ``eval``, ``test``, ``all`` or the name of a list of the file; None takes ``train`` of the
            embedded cases, and all of a file.
        turns: most turns of a game.
        mode: ``default`` or ``upstream``.
        attempts: number of wrong conclusions that loses the game; None for no limit; ``upstream`` has none.
        answerer: who answers in place of the rules.
        scenarios: a published scenario file (entries with ``agent``, the briefing, and ``env``, the truth), in place of
            the embedded cases; it needs an answerer.
        num_tasks: keep only so many scenarios.
        reward: ``outcome`` (1 for a win) or ``upstream`` (that of Twenty Questions).
        expert: whether ``info`` has ``expert_actions``.
        render_mode: ``ansi`` or None.

    Raises:
        ManifestError: the file is malformed or given without an answerer, or the split is empty.
        UnknownNameError: there is no such mode or reward.
        CreditGymError: ``attempts`` is no positive integer.
    """

    data_from = (
        "Cases written here (`train`, `eval`, `test`), or a published file of scenarios by `scenarios=`, which "
        "needs `answerer=`."
    )
    published = (
        "A game of PAPRIKA the way that the ΔBelief study (Auzina et al., 2026) plays it, on cases written here; "
        "`mode='upstream'` is as published."
    )

    plain_claims = True
    """Whether the form of an action always tells that it claims a conclusion."""

    unreadable = "That was not understood; ask about one thing in simple words."
    unconcluded = "That settles nothing yet."

    def __init__(
        self,
        split: str | None = None,
        *,
        turns: Count = 20,
        mode: str = "default",
        attempts: Count | None = 1,
        answerer: Answerer | LLMJudge | None = None,
        scenarios: str | os.PathLike[str] | None = None,
        num_tasks: Count | None = None,
        reward: str = "outcome",
        expert: bool = True,
        render_mode: str | None = None,
    ) -> None:
        if mode not in MODES:
            raise unknown("mode", mode, MODES)
        uncounted = mode == "upstream" or (answerer is not None and not self.plain_claims)
        attempts = None if uncounted else attempts
        whole = isinstance(attempts, (int, np.integer)) and not isinstance(attempts, bool)
        if attempts is not None and not (whole and attempts >= 1):
            raise CreditGymError(f"attempts must be a positive integer, or None for no limit, not {attempts!r}.")
        if scenarios is not None and answerer is None:
            raise ManifestError(
                f"The rules have no facts about the scenarios of {os.fspath(scenarios)}: give answerer= to play them."
            )
        frame = self._frame(turns, attempts)
        if scenarios is None:
            by_id = {case.id: case for case in self._embedded()}
            chosen = choose([Scenario(c.id, "", c.split) for c in by_id.values()], split or "train", num_tasks)
            self._cases = tuple(by_id[each.secret] for each in chosen)
            tasks = [Task(c.id, c.split, f"{frame} {c.briefing}", c.answer.name) for c in self._cases]
        else:
            chosen = choose(read_scenarios(scenarios), split or "all", num_tasks)
            self._cases = ()
            tasks = [Task(task_id("file", s.secret), s.split, f"{frame} {s.briefing}", s.secret) for s in chosen]
        super().__init__(tasks, turns=turns, reward=reward, render_mode=render_mode)
        self.judge = None if answerer is None else LLMJudge.of(answerer)
        self.blocking = self.judge is not None  # a step may wait for a model
        self.attempts = attempts
        self.mode = mode
        self._expert = expert and self.judge is None
        self._best = lru_cache(1 << 12)(self._best_action)

    @abstractmethod
    def _embedded(self) -> Sequence[Case]:
        """Return the scenarios of the package."""

    @abstractmethod
    def _frame(self, turns: int, attempts: int | None) -> str:
        """Return what the agent is told to do, before the briefing."""

    @abstractmethod
    def _concludes(self, action: str) -> bool:
        """Return whether an action claims a conclusion, by its form."""

    @abstractmethod
    def _judge_role(self, action: str) -> str:
        """Return what a model is told that answers an action."""

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
        return 0.0 if fact is None else _gain(known, fact.question, [each.right for each in case.puzzle.conclusions])

    def log_belief(self, state: Snapshot | None = None) -> float:
        """Return the exact log posterior of the right conclusion at a state, None for the current moment; nats."""
        case, known = self._at(state)
        return _log_share(known, case.answer.right)

    def remaining(self, state: Snapshot | None = None) -> tuple[str, ...]:
        """Return the conclusions that the answers so far leave possible."""
        case, known = self._at(state)
        return tuple(each.name for each in case.puzzle.conclusions if known & each.right)

    def _beginning(self) -> tuple[str, Any]:
        return "Begin.", (1 << self.case.puzzle.worlds) - 1 if self.judge is None else None

    def _worth(self, memory: Any) -> float:
        return NOTHING_KNOWN if self.judge is not None else _log_share(memory, self.case.answer.right)

    def _outlook(self) -> dict[str, Any]:
        if not self._cases:
            return {"admissible_actions": []}
        facts, conclusions, _ = self.case.puzzle
        found: dict[str, Any] = {"admissible_actions": [f.ask for f in facts] + [c.fact.ask for c in conclusions]}
        if self._expert:
            found["expert_actions"] = [self._best(self._current.task, self.memory, self._left <= 1)]
        return found

    def _reply(self, action: str) -> tuple[Turn, Any]:
        if len(action) > LONGEST_QUESTION:
            return Turn(action, TOO_LONG, "invalid"), self.memory
        if self.judge is not None:
            return self._judged(action, self.judge)
        if action.count("?") > 1:
            return Turn(action, ONE_AT_A_TIME, "invalid"), self.memory
        case = self.case
        fact = self._understood(case, action)
        if fact is None:
            return Turn(action, self.unreadable, "invalid"), self.memory
        claim = next((each for each in case.puzzle.conclusions if each.fact is fact), None)
        if self._was_asked(fact.question.key):
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
        if not upstream and self._was_asked(key):
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

    def _judge_messages(self, truth: str, action: str, earlier: Sequence[Turn]) -> list[Mapping[str, str]]:
        """Return the chat that lets a model answer an action; what never changes comes first."""
        said = "".join(f"\n> {turn.action}\n{turn.text}" for turn in earlier)
        shown = f"Hidden truth: {truth}\n" + (f"So far:{said}\n" if said else "") + f"Now: {action}"
        return [{"role": "system", "content": self._judge_role(action)}, {"role": "user", "content": shown}]

    def _understood(self, case: Case, action: str) -> Fact | None:
        """Return the one fact or conclusion that an action is about."""
        said = words(action)
        exact = case.wordings.get(tuple(said))
        if exact is not None:
            return exact
        stems = frozenset(map(stem, said))
        if self._concludes(action):
            claims = _named(stems, [each.fact for each in case.puzzle.conclusions])
            if claims or self.plain_claims:
                return claims[0] if len(claims) == 1 else None
        return _nearest(stems, case.puzzle.facts)

    def _at(self, state: Snapshot | None) -> tuple[Case, int]:
        if self.judge is not None:
            raise CreditGymError(
                "Only where the rules answer is the belief exact: make the environment without answerer."
            )
        state = state or self._current
        return self._cases[state.task], int(state.memory)

    def _best_action(self, task: int, known: int, last: bool) -> str:
        facts, conclusions, _ = self._cases[task].puzzle
        labels = [each.right for each in conclusions]
        likeliest = max(conclusions, key=lambda each: (known & each.right).bit_count())
        if not last and known & ~likeliest.right:
            single = [1 << world for world in members(known)]
            gains = ((_gain(known, fact.question, labels), fact) for fact in facts)
            gain, best = max(gains, key=lambda pair: pair[0])
            if gain < 1e-9:  # nothing tells the conclusions apart at once; two answers together may
                gain, best = max(((_gain(known, f.question, single), f) for f in facts), key=lambda pair: pair[0])
            if gain > 1e-9:
                return best.ask
        return likeliest.fact.ask


def _named(stems: frozenset[str], facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts that a text says a phrase of, other than a part of a longer phrase that it says."""
    said = [(fact, phrase) for fact in facts for phrase in fact.say if phrase <= stems]
    whole = {id(fact) for fact, phrase in said if not any(phrase < longer for _, longer in said)}
    return [fact for fact in facts if id(fact) in whole]


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
