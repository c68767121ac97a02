"""Questioning games over a known world: the exact belief after every answer, and an expert who asks by it."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

from credit_gym.data.action_families import Family
from credit_gym.data.action_format import ActionFormat
from credit_gym.envs.information.env import MODES, NOTHING_KNOWN, QuestionEnv, Snapshot, Task, task_id
from credit_gym.envs.information.grammar import Grammar
from credit_gym.envs.information.judge import Answerer, LLMJudge
from credit_gym.envs.information.reward import Turn
from credit_gym.envs.information.sources import Scenario, choose, known_to_rules, read_scenarios, split_of
from credit_gym.envs.information.world import Question, information_gain, log_belief, members
from credit_gym.errors import CreditGymError, unknown
from credit_gym.estimation.ranges import Count

QUESTION = (Family("ask", "{question}", "Ask a question, or make a guess.", (("question", "On one line."),)),)
"""What every game of candidates has for actions."""

WonBy: TypeAlias = Callable[[Grammar, str, str], int]
"""``grammar, action, mode -> set``: the secrets that an action wins with."""


class CandidateEnv(QuestionEnv):
    """A questioning game whose secret is one of a known set of candidates.

    The rules answer from the world's facts, always truthfully, and every candidate is equally likely at the start. So
    after each answer the belief is uniform over the candidates that would have been answered in the same way, and the
    log posterior of the truth is ``log b_t = -log n_t`` for n_t of them. ``info["verifier"]`` is ``log b_t -
    log b_{t-1}``: the information that the answer gave about the secret, in nats; the readings of a game sum to
    ``log(n_0 / n_T)``, and a guess that wins leaves one candidate. ``info["expert_actions"]`` has the question of the
    largest expected gain, or a guess where none gains more and on the last turn.

    With a judge, answers come from a language model: nothing is known about them in advance, the verifier reads NaN
    and there is no expert.

    Args:
        split: ``train``, ``eval``, ``test``, ``all``, or the name of a list in ``words``; None takes ``train`` of the
            world's things, and all of a file.
        turns: most questions of a game.
        mode: ``default`` or ``upstream``.
        answerer: who answers instead of the rules.
        words: a file of secrets. The rules leave out those that they have no facts about, with a warning. None takes
            the things of the world.
        num_tasks: keep only so many secrets.
        reward: name of the reward.
        expert: whether ``info`` has ``expert_actions``.
        render_mode: ``ansi`` or None.

    Attributes:
        world: the things and the questions about them.
        grammar: reads questions about it.
        candidates: the set of things that the secret may be, as far as the agent can know.

    Raises:
        ManifestError: the file is malformed, there is nothing in the split, or no rule knows any of its secrets.
        UnknownNameError: there is no such mode or reward.
    """

    published = (
        "A game of the ΔBelief study (Auzina et al., 2026); words and facts are written here, and `mode='upstream'` "
        "counts as published."
    )
    own_info_keys = MappingProxyType(
        {**QuestionEnv.own_info_keys, "left_out": "how many secrets of a file the rules know nothing about"}
    )

    action_format = ActionFormat(
        how="Ask one question or make one guess, as a question on one line.",
        examples=("Is it alive?", "Is it a tiger?"),
        families=QUESTION,
    )

    kind: str
    """What the secret is, in one word: the beginning of the ids of the tasks."""
    goal: str
    """What the agent is told to do, with a place for ``{turns}``."""

    def __init__(
        self,
        split: str | None = None,
        *,
        turns: Count = 20,
        mode: str = "default",
        answerer: Answerer | LLMJudge | None = None,
        words: str | os.PathLike[str] | None = None,
        num_tasks: Count | None = None,
        reward: str = "outcome",
        expert: bool = True,
        render_mode: str | None = None,
    ) -> None:
        read = () if words is None else read_scenarios(words)
        self.grammar = self._rules([scenario.secret for scenario in read] if answerer is None else ())
        self.world = world = self.grammar.world
        known = read or _embedded(world.names)
        self.left_out = 0
        if words is not None and answerer is None:
            known = known_to_rules(known, self._name_in_world, words, self.more_facts())
            self.left_out = len({s.secret for s in read}) - len({s.secret for s in known})
        self._check_secrets([scenario.secret for scenario in known], mode)
        chosen = choose(known, split or ("train" if words is None else "all"), num_tasks)
        goal = self.goal.format(turns=turns)
        tasks = [Task(task_id(self.kind, s.secret), s.split, goal, s.secret) for s in chosen]
        super().__init__(tasks, turns=turns, reward=reward, render_mode=render_mode)
        self.judge = None if answerer is None else LLMJudge.of(answerer)
        self.blocking = self.judge is not None  # a step may wait for a model
        if mode not in MODES:
            raise unknown("mode", mode, MODES)
        self.candidates = sum({1 << world.index[s.secret] for s in known if s.secret in world.index})
        self.mode = mode
        self._expert = expert and self.judge is None
        self._guesses = self._wordings()
        among = range(len(world.names)) if words is None else members(self.candidates)
        self._offered = [item.ask for item in world.questions] + [self._guesses[thing] for thing in among]

    @abstractmethod
    def _rules(self, secrets: Sequence[str]) -> Grammar:
        """Return what reads questions about the world of some secrets, or of the package's for none."""

    @classmethod
    @abstractmethod
    def more_facts(cls) -> str:
        """Return how the rules come to know more secrets than they do here; empty where they know what they can."""

    @abstractmethod
    def _wordings(self) -> tuple[str, ...]:
        """Return the wording of a guess, by thing."""

    @abstractmethod
    def _name_in_world(self, secret: str) -> str | None:
        """Return the name that the world has for a secret of a file, None for none."""

    def _check_secrets(self, secrets: Sequence[str], mode: str) -> None:
        """Refuse secrets that no game of a mode can be played about."""

    @abstractmethod
    def _judged(self, action: str) -> tuple[Turn, Any]:
        """Answer by the judge."""

    def information_gain(self, question: str, state: Snapshot | None = None) -> float:
        """Return the expected information gain of a question, in nats.

        Args:
            question: any wording that the rules understand; one that they do not would gain nothing.
            state: where it is asked; None for the current moment.
        """
        parsed = self.grammar.parse(question)
        memory = (state or self.clone_state()).memory
        if parsed is None:
            return 0.0
        return information_gain(self._known(memory), carved(parsed, self.won_by(self.grammar, question, self.mode)))

    def log_belief(self, state: Snapshot | None = None) -> float:
        """Return the exact log posterior of the truth at a state, None for the current moment; nats."""
        return log_belief(self._known((state or self.clone_state()).memory))

    def remaining(self, state: Snapshot | None = None) -> tuple[str, ...]:
        """Return the candidates that the answers so far leave."""
        return tuple(self.world.names[i] for i in members(self._known((state or self.clone_state()).memory)))

    def _beginning(self) -> tuple[str, Any]:
        return "Ask your first question.", self.candidates if self.judge is None else None

    def _worth(self, memory: Any) -> float:
        return NOTHING_KNOWN if memory is None else log_belief(memory)

    def _outlook(self) -> dict[str, Any]:
        found: dict[str, Any] = {"admissible_actions": self._offered[:], "left_out": self.left_out}
        if self._expert:
            best = _best_question(self.won_by, self.grammar, self.mode, self.memory, self._left <= 1)
            found["expert_actions"] = [best or self._guesses[next(members(self.memory))]]
        return found

    @classmethod
    def won_by(cls, grammar: Grammar, action: str, mode: str) -> int:
        """Return the set of the secrets that an action wins with, where the rules answer."""
        return grammar.guessed(action)

    def _learn(self, question: Question) -> tuple[str, int]:
        """Return what the rules answer, and the candidates that are left after it."""
        answer, chosen = question.cell(self.world.index[self.target])
        return answer, self.memory & chosen

    def _known(self, memory: Any) -> int:
        if memory is None:
            raise CreditGymError(
                "Only where the rules answer is the belief exact: make the environment without answerer."
            )
        return int(memory)


@lru_cache(1 << 12)
def _best_question(won_by: WonBy, grammar: Grammar, mode: str, candidates: int, last: bool) -> str | None:
    """Return the offered question that leaves the fewest candidates, None where a guess is as good; for all copies."""
    total = candidates.bit_count()
    if last or total == 1:
        return None
    cost = _cost(total - 1)  # a guess parts the candidates into one and the others
    best = None
    for ask, sets in _offers(won_by, grammar, mode):
        now, rest = 0.0, total
        for chosen in sets:
            count = (candidates & chosen).bit_count()
            now += _cost(count)
            rest -= count
        now += _cost(rest)
        if now < cost - 1e-9:
            cost, best = now, ask
    return best


@lru_cache(maxsize=8)
def _offers(won_by: WonBy, grammar: Grammar, mode: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The questions that are offered, with the sets of their answers but the last."""
    asks = ((item.ask, item.question) for item in grammar.world.questions)
    read = ((ask, carved(question, won_by(grammar, ask, mode))) for ask, question in asks)
    return tuple((ask, tuple(chosen for _, chosen in question.cells[:-1])) for ask, question in read)


def carved(question: Question, won_by: int) -> Question:
    """Return a question as a partition in which each thing that it would win with stands alone."""
    if not won_by:
        return question
    left = tuple((answer, rest) for answer, chosen in question.cells if (rest := chosen & ~won_by))
    won = tuple(("finished", 1 << thing) for thing in members(won_by))
    return question._replace(cells=(*won, *left))


@lru_cache(1 << 14)
def _cost(count: int) -> float:
    """Return n log n: over the answers they sum to the expected log of the candidates left, by the number before."""
    return count * math.log(count) if count else 0.0


@lru_cache(maxsize=4)
def _embedded(names: tuple[str, ...]) -> tuple[Scenario, ...]:
    """The things of a world as secrets."""
    return tuple(Scenario(name, "", split_of(name)) for name in names)
