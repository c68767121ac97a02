"""ReplayTree: draw other actions at the same moment, continue each, and pay only for what follows the fork."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import gymnasium as gym

from credit_gym import rng
from credit_gym.agents.core import Agent, Context
from credit_gym.agents.replay.allocation import Allocation, FanOut
from credit_gym.agents.replay.ledger import Ledger
from credit_gym.agents.replay.points import Point, Tree, main_returns
from credit_gym.agents.rollout.turns import MakeEnv
from credit_gym.data.action_format import format_at
from credit_gym.envs.text_env import TextEnv
from credit_gym.errors import BudgetError, CreditGymError
from credit_gym.wrappers.readings import read_reward
from credit_gym.wrappers.record_verifier import RecordVerifier, read_transition
from credit_gym.wrappers.recorder import find_wrapper

_RESET = -1  # what a question's seed is for, beside its tree


class ReplayTree:
    """Grows replay trees over any environment with ``clone_state`` and ``restore_state``.

    A point of the tree is a moment of the game. The agent draws n actions there, asked for in one call with n seeds;
    each is played c times from a clone of the moment, and what follows is played on by the same agent. A replay from
    step t of T so costs T - t steps and no reset.

    Every draw derives from ``(seed, question, draws and replays on the way)``: the same number of the same play repeats
    itself byte for byte, whatever else is grown and in whatever order. Where the environment has a ``stream``
    (:class:`~credit_gym.envs.text_env.TextEnv`), each play gets its own; another environment repeats its own
    randomness.

    A failure of the agent or the environment ends the branches that it hits, whose episodes carry it in ``error``; when
    a limit of the ledger is reached, all branches end that way.

    Args:
        env: the environment; wrappers are not played (their state cannot be cloned), but a
            :class:`~credit_gym.wrappers.record_verifier.RecordVerifier` around it makes the episodes carry a verifier.
        agent: who draws and who continues.
        allocation: where to branch.
        seed: fixes everything.
        width: most plays in flight together; their contexts are asked for in one call. 1 plays branch after branch,
            which saves a clone and a restore a step: right for an agent that gains nothing from batches.
        merge_duplicates: play equal draws of one point once and count them as often as they were drawn. It stays
            unbiased and saves their replays, at the price of less averaging.
        ledger: what is spent, and what may be.

    Raises:
        CreditGymError: the environment cannot be forked, or ``width`` is below 1.
    """

    def __init__(
        self,
        env: gym.Env[str, str],
        agent: Agent,
        allocation: Allocation | None = None,
        *,
        seed: int = 0,
        width: int = 64,
        merge_duplicates: bool = False,
        ledger: Ledger | None = None,
    ) -> None:
        self.env: Any = env.unwrapped
        if getattr(type(self.env), "clone_state", TextEnv.clone_state) is TextEnv.clone_state:
            raise CreditGymError(f"{type(self.env).__name__} cannot be forked: it has no clone_state, restore_state.")
        if width < 1:
            raise CreditGymError(f"width must be at least 1, not {width}.")
        self.agent = agent
        self.allocation: Allocation = FanOut() if allocation is None else allocation
        self.seed = seed
        self.width = width
        self.merge_duplicates = merge_duplicates
        self.ledger = Ledger() if ledger is None else ledger
        recorder = find_wrapper(env, RecordVerifier)
        self._verifier = None if recorder is None else recorder.verifier
        self._records_verifier = recorder is not None
        self._at: Point | None = None  # the point that the environment stands at

    def grow(self, question: int) -> Tree:
        """Grow the tree of one question.

        Args:
            question: its number; where the environment has ``num_tasks``, task ``question % num_tasks`` is played, else
                the seed derived from it decides.

        Returns:
            The tree, as far as it could be grown.
        """
        began = time.perf_counter()
        seed = rng.derive(self.seed, question, _RESET)
        tasks = getattr(self.env, "num_tasks", None)
        options = None if tasks is None else {"task": question % tasks}
        root = self._root(question, seed, options)
        spec = self.env.spec
        tree = Tree(
            tree_id=f"{self.seed}-q{question}",
            root=root,
            env_id=type(self.env).__name__ if spec is None else spec.id,
            agent_id=self.agent.name,
            seed=seed,
            options=options,
            verifier=self._records_verifier,
            product=self.allocation.product,
        )
        self._play_all([] if root.over else self._draw([root]))
        while again := self._more(tree):
            self._play_all(again)
        self._at = None
        self.ledger.note("seconds", time.perf_counter() - began)
        return tree

    def _root(self, question: int, seed: int, options: dict[str, Any] | None) -> Point:
        root = Point("", {}, rng.derive(self.seed, question))
        try:
            self.ledger.hold(1)
        except BudgetError as error:
            root.error = f"{type(error).__name__}: {error}"
            return root
        try:
            root.observation, root.info = self.env.reset(seed=seed, options=options)
            if self._verifier is not None and isinstance(root.info, dict):
                root.info.pop("exact_verifier", None)  # what the environment declares of its own
        except Exception as error:  # noqa: BLE001 - a task that cannot be loaded must not cost the other trees
            self._fail(root, error)
        self._at = root
        return root

    def _play_all(self, plays: list[_Play]) -> None:
        """Make plays and all that follows from them, the latest first, ``width`` at a time."""
        waiting = plays[::-1]
        while waiting:
            now = [waiting.pop() for _ in range(min(self.width, len(waiting)))]
            arrived = [self._play(play) for play in now]
            waiting += self._draw([point for point in arrived if not point.over])[::-1]

    def _draw(self, points: Sequence[Point]) -> list[_Play]:
        """Ask the agent for the draws of some points in one call; return the plays to be made."""
        branching = [self.allocation.at(point.depth, point.spine) for point in points]
        contexts = [
            _context(point, draw, self.env.unwrapped)
            for point, branches in zip(points, branching, strict=True)
            for draw in range(branches.draws)
        ]
        try:
            answers = iter(self._ask(contexts))
        except Exception as error:  # noqa: BLE001 - what was played so far must not be lost
            for point in points:
                self._fail(point, error)
            return []
        plays: list[_Play] = []
        for point, branches in zip(points, branching, strict=True):
            drawn = [next(answers) for _ in range(branches.draws)]
            distinct = list(dict.fromkeys(drawn)) if self.merge_duplicates else drawn
            try:
                self.ledger.hold(len(distinct) * branches.replays - 1)
            except BudgetError as error:
                self._fail(point, error)
                continue
            point.after = [[] for _ in distinct]
            point.copies = [drawn.count(action) if self.merge_duplicates else 1 for action in distinct]
            forks = len(distinct) * branches.replays > 1
            plays += [
                _Play(point, draw, action, forks)
                for draw, action in enumerate(distinct)
                for _ in range(branches.replays)
            ]
        return plays

    def _ask(self, contexts: Sequence[Context]) -> Sequence[str]:
        if not contexts:
            return []
        self.ledger.add_question(len(contexts))
        answers = self.agent.act(contexts)
        self.ledger.add_answers(answers)
        return answers

    def _play(self, play: _Play) -> Point:
        """Make one play; return the point that it led to."""
        point, action = play.point, play.action
        replay = len(point.after[play.draw])
        after = Point(
            observation="",
            info={},
            seed=rng.derive(point.seed, play.draw << 32 | replay),
            parent=point,
            draw=play.draw,
            replay=replay,
            action=action,
            spine=point.spine and play.draw == 0 and replay == 0,
            history=(*point.history, (point.observation, action)),  # an Action keeps the tokens that were sampled
            earlier=(*point.earlier, _context(point, 0, self.env.unwrapped).due),
        )
        again = any(point.after)
        point.after[play.draw].append(after)
        try:
            self.ledger.add("env_steps")
            if again:
                self.ledger.add("replays")
            self._stand_at(point, keep=play.forks)
            if getattr(self.env, "stream", None) is not None:
                after.stream = self.env.stream = rng.mix(after.seed)
            after.observation, reward, after.terminated, after.truncated, info = self.env.step(action)
            after.reward = read_reward(reward, f"The reward of step {point.depth}")
            after.info = self._read(point, after, info)
        except Exception as error:  # noqa: BLE001 - the other branches must go on
            self._at = None
            after.terminated = after.truncated = False
            self._fail(after, error)
            return after
        self._at = after
        if after.over:
            self.ledger.grade()
        return after

    def _stand_at(self, point: Point, *, keep: bool) -> None:
        """Bring the environment to a point, cloning what it would forget; ``keep`` if it will come back here."""
        here = self._at
        if here is not point:
            if here is not None and here.snapshot is None and not here.over:
                here.snapshot = self.env.clone_state()
            self._at = None
            self.ledger.note("restores")
            self.env.restore_state(point.snapshot)
        if keep and point.snapshot is None:
            point.snapshot = self.env.clone_state()
        elif not keep:
            point.snapshot = None

    def _read(self, before: Point, after: Point, info: dict[str, Any]) -> dict[str, Any]:
        if self._verifier is None:
            return info
        asked = (before.observation, str(after.action), after.observation, after.reward, info, before.depth)
        return info | {"verifier": read_transition(self._verifier, *asked)}

    def _fail(self, point: Point, error: Exception) -> None:
        point.error = f"{type(error).__name__}: {error}"
        self.ledger.release()

    def _more(self, tree: Tree) -> list[_Play]:
        """Return one more replay of every draw at the points that the allocation chooses."""
        points = [point for point in tree.spine() if sum(point.copies) > 1]
        returns = [main_returns(point) for point in points]
        known = [index for index, values in enumerate(returns) if values is not None]
        chosen = self.allocation.more(
            [values for values in returns if values is not None], self.ledger.left("evaluator_calls")
        )
        again = [points[known[index]] for index in chosen]
        plays = [_Play(point, draw, made[0].action, True) for point in again for draw, made in enumerate(point.after)]
        try:
            self.ledger.hold(len(plays))
        except BudgetError:  # another tree was faster
            return []
        return plays


class _Play(NamedTuple):
    """A play to be made: the action of a draw at a point, which is a fork if more than one play starts there."""

    point: Point
    draw: int
    action: str
    forks: bool


def grow_trees(
    make_env: MakeEnv,
    agent: Agent,
    allocation: Allocation | None = None,
    *,
    questions: int,
    seed: int = 0,
    width: int = 64,
    workers: int = 1,
    merge_duplicates: bool = False,
    ledger: Ledger | None = None,
) -> list[Tree]:
    """Grow the trees of questions ``0..questions-1``, several at a time.

    Trees do not depend on ``workers``, except on which of them a limit of the ledger falls.

    Args:
        make_env: builds one environment; called once per worker.
        agent: who plays; with several workers its ``act`` must be thread-safe
            (:class:`~credit_gym.agents.rollout.batching.Batched` makes it so and lets the trees share batches).
        allocation: where to branch.
        questions: how many trees.
        seed: fixes everything.
        width: most plays of one tree in flight together.
        workers: trees growing at the same time.
        merge_duplicates: whether to play equal draws once.
        ledger: counts all of them together.

    Returns:
        The trees, in the order of the questions.
    """
    shared = Ledger() if ledger is None else ledger
    idle: deque[ReplayTree] = deque()

    def grow(question: int) -> Tree:
        try:
            grower = idle.pop()
        except IndexError:
            grower = ReplayTree(
                make_env(),
                agent,
                allocation,
                seed=seed,
                width=width,
                merge_duplicates=merge_duplicates,
                ledger=shared,
            )
        tree = grower.grow(question)
        idle.append(grower)
        return tree

    try:
        if workers == 1:
            return [grow(question) for question in range(questions)]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(grow, range(questions)))
    finally:
        for grower in idle:
            grower.env.close()


def _context(point: Point, draw: int, env: object) -> Context:
    """What the agent sees at a point, with the seed of one draw."""
    return Context(
        goal=str(point.info.get("task", {}).get("goal", "")),
        observation=point.observation,
        history=point.history,
        admissible_actions=tuple(point.info.get("admissible_actions", ())),
        info=point.info,
        step=point.depth,
        seed=rng.mix(rng.advance(point.seed ^ draw)),
        action_format=format_at(env, point.info),
        earlier=point.earlier,
    )
