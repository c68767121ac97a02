"""One session of a served environment: what its client asks for, what its player is told, and where it can go back to.

Nothing here knows a protocol. What a client sends is foreign: a key that does not exist, a task of the wrong kind or a
failing environment is one sentence each, and never more than the session's own business.
"""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

import gymnasium as gym

from credit_gym.data.action_format import describe, format_at
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, unknown
from credit_gym.wrappers.recorder import Recorder, find_wrapper

OPTIONS = ("seed", "episode_id", "task", "split", "index", "snapshot")
"""What a reset takes."""

_LOG = logging.getLogger(__name__)
_LONGEST_ID = 255  # characters, as OpenEnv has it
_TOLD = ("admissible_actions", "steps_left", "invalid", "role")  # of an info, at every moment
_AT_FIRST = ("tools", "step_limit")  # of an info, when an episode begins or is gone back to


@dataclass(frozen=True)
class ServedGame:
    """An environment that is served.

    Attributes:
        env_id: its Gymnasium id.
        make: makes one; it takes the argument ``split`` where there are splits to choose from.
        splits: those that a reset may choose; empty for the one that the environment is made with.
        snapshots: how many a session keeps; the oldest is dropped for another.
        reveal: whether players are told what only the game knows: verifier, expert actions, state key and the like.
    """

    env_id: str
    make: Callable[..., gym.Env[str, str]]
    splits: tuple[str, ...] = ()
    snapshots: int = 64
    reveal: bool = False

    def made(self, split: str | None = None) -> gym.Env[str, str]:
        """Make the environment of a split, None for the first.

        Raises:
            UnknownNameError: the split is not served.
        """
        if not self.splits:
            return self.make()
        if split is not None and split not in self.splits:
            raise unknown("split", split, self.splits)
        return self.make(split=split or self.splits[0])


class Moment(NamedTuple):
    """Where an episode stands.

    Attributes:
        told: what its player may see, by the names of an observation.
        reward: what the last action earned, None where none was played.
        over: whether the episode has ended.
        revealed: what only the game knows.
        episode: the record, at the end of an episode that is recorded.
    """

    told: dict[str, Any]
    reward: float | None
    over: bool
    revealed: dict[str, Any]
    episode: Episode | None = None


class ServedSession:
    """Plays a game for one client, an episode at a time.

    Args:
        game: what is played.
        record: whether episodes are recorded.

    Attributes:
        episode_id: as the client calls it, or drawn.
        step_count: actions of the episode so far.
        seed: of the episode.
        task: its id.
        moment: where it stands, None before the first reset.
    """

    def __init__(self, game: ServedGame, *, record: bool = False) -> None:
        self.game = game
        self.episode_id: str | None = None
        self.step_count = 0
        self.seed: int | None = None
        self.task = ""
        self.moment: Moment | None = None
        self._record = record
        self._recorder: Recorder | None = None
        self._env: Any = None
        self._split: str | None = None  # of that environment
        self._snapshots: OrderedDict[str, _Snapshot] = OrderedDict()
        self._numbered = 0
        self._closed = False
        self._form = ""  # how an action is written, as it was last told
        self._group = ""  # of the episode: its task in its split
        self._reason = ""  # why the session is closed

    def reset(self, options: Mapping[str, Any]) -> Moment:
        """Begin an episode, or go back to a snapshot.

        Args:
            options: of :data:`OPTIONS`. Without a ``seed`` one is drawn; ``task`` is what the environment's own option
                takes, ``index`` the number of a task in its ``split``, ``snapshot`` what :meth:`clone` answered.

        Raises:
            CreditGymError: there is no such option or no such task, or the environment failed.
        """
        given = {name: value for name, value in options.items() if value is not None}
        for name in given:
            if name not in OPTIONS:
                raise unknown("option of reset", name[:80], OPTIONS)
        self._check_open()
        if "snapshot" in given:
            return self._restore(given)
        task = _task(given)
        seed = _whole("seed", given["seed"]) if "seed" in given else secrets.randbelow(1 << 31)
        episode_id, split = _text("episode_id", given), _text("split", given)
        with self._failing():
            self._enter(split)
            text, info = self._env.reset(seed=seed, options=None if task is None else {"task": task})
            self.episode_id, self.seed = episode_id or uuid4().hex, seed
            task_told = _task_told(info)
            self.task, self.step_count = str(task_told.get("id", "")), 0
            self._group = f"{task_told.get('split', '')}/{self.task}"
            self._recorder = Recorder.of(self._env) if self._record else None
            if self._recorder is not None:
                self._recorder.start(text, info, seed=seed)
            return self._stand(text, info, first=True)

    def step(self, action: str) -> Moment:
        """Play an action.

        Raises:
            CreditGymError: no episode is under way, or the environment failed.
        """
        moment = self._under_way()
        if moment.over:
            raise CreditGymError("The episode is over: reset to begin another.")
        with self._failing():
            text, reward, terminated, truncated, info = self._env.step(action)
            self.step_count += 1
            if self._recorder is not None:
                self._recorder.add(action, text, reward, info, terminated=terminated, truncated=truncated)
            return self._stand(text, info, float(reward), terminated, truncated)

    def clone(self) -> tuple[Moment, str]:
        """Return where the episode stands, and the name of a snapshot that :meth:`reset` goes back to.

        Raises:
            CreditGymError: no episode is under way, or the environment cannot be forked.
        """
        moment = self._under_way()
        if find_wrapper(self._env, gym.wrappers.TimeLimit) is not None:
            raise CreditGymError(f"{self.game.env_id} cannot be forked under max_episode_steps: limit it itself.")
        with self._failing():
            state = self._env.unwrapped.clone_state()
        self._numbered += 1
        name = f"s{self._numbered}"
        recorder = self._recorder and self._recorder.fork()
        at = self._split, self.seed, self.task, self._group, self.step_count
        self._snapshots[name] = _Snapshot(state, moment, recorder, *at)
        while len(self._snapshots) > self.game.snapshots:
            self._snapshots.popitem(last=False)
        return moment, name

    def close(self, reason: str = "The session has ended: connect again.") -> None:
        """End the session and let go of all that it holds; what is asked of it later is refused."""
        self._closed, self._reason = True, reason
        self._drop()
        self._snapshots.clear()

    def _restore(self, given: Mapping[str, Any]) -> Moment:
        if given.keys() - {"snapshot", "episode_id"}:
            raise CreditGymError("A snapshot has its own task and random stream: reset to it with nothing else.")
        name = _text("snapshot", given)
        kept = self._snapshots.get(str(name))
        if kept is None:
            most = self.game.snapshots
            raise CreditGymError(f"This session has no such snapshot: it keeps the last {most} that it took itself.")
        with self._failing():
            self._enter(kept.split)
            text, info = self._env.unwrapped.restore_state(kept.state)
            self.episode_id = _text("episode_id", given) or uuid4().hex
            self.seed, self.task, self._group, self.step_count = kept.seed, kept.task, kept.group, kept.step_count
            self._recorder = kept.recorder and kept.recorder.fork()
            ends = kept.moment.told["terminated"], kept.moment.told["truncated"]
            return self._stand(text, info, None, *ends, first=True)

    def _enter(self, split: str | None) -> None:
        """Have the environment of a split, which is made where another one stands or none."""
        splits = self.game.splits
        wanted = (split or splits[0]) if splits else None
        if self._env is None or wanted != self._split:
            self._drop()
            self._env, self._split = self.game.made(wanted), wanted
        if split is not None and not splits:
            refuse_split(split, self._env)

    def _stand(
        self,
        text: str,
        info: Mapping[str, Any],
        reward: float | None = None,
        terminated: bool = False,
        truncated: bool = False,
        *,
        first: bool = False,
    ) -> Moment:
        """Where the episode stands now."""
        over = bool(terminated or truncated)
        told: dict[str, Any] = {"text": text, "terminated": bool(terminated), "truncated": bool(truncated)}
        told.update((name, info[name]) for name in (*_TOLD, *(_AT_FIRST if first else ())) if name in info)
        if first:
            task = _task_told(info)
            told.update(goal=task.get("goal"), task=self.task, split=task.get("split"))
        if over:
            told["success"] = bool(info.get("success", False))
        else:
            form = describe(format_at(self._env.unwrapped, info))
            if first or form != self._form:
                told["action_format"] = self._form = form
        revealed = {name: info[name] for name in info if name not in told and name != "task"}
        episode = None
        if over and self._recorder is not None and self._recorder.recording:
            episode = self._recorder.finish(episode_id=uuid4().hex, group_id=self._group)
        self.moment = Moment(told, reward, over, revealed if self.game.reveal else {}, episode)
        return self.moment

    def _under_way(self) -> Moment:
        self._check_open()
        if self.moment is None:
            raise CreditGymError("No episode is under way: reset to begin one.")
        return self.moment

    def _check_open(self) -> None:
        if self._closed:
            raise CreditGymError(self._reason)

    def _drop(self) -> None:
        """Let go of the environment, and of the episode in it."""
        env, self._env, self._split = self._env, None, None
        self.moment = self._recorder = None
        if env is not None:
            env.close()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Let what is wrong with a request be said, and what is wrong with the environment cost the episode."""
        try:
            yield
        except (CreditGymError, gym.error.Error, NotImplementedError) as error:
            raise CreditGymError(str(error)) from error
        except Exception as error:
            _LOG.exception("%s failed", self.game.env_id)
            self._drop()
            raise CreditGymError(
                f"The environment failed ({type(error).__name__}) and the episode is over: reset to begin another."
            ) from error


class _Snapshot(NamedTuple):
    """A moment to go back to."""

    state: Any
    moment: Moment
    recorder: Recorder | None
    split: str | None
    seed: int | None
    task: str
    group: str
    step_count: int


def refuse_split(split: str, env: gym.Env[str, str]) -> None:
    """Refuse a split other than the one that an environment has.

    Raises:
        CreditGymError: it is another.
    """
    if split != (own := own_split(env)):
        raise CreditGymError(f"Only the split {own!r} is served: name others with --split where the server is started.")


def own_split(env: gym.Env[str, str]) -> str:
    """Return the split of the tasks of an environment."""
    return str(_task_told(env.reset(seed=0)[1]).get("split", ""))


def _task_told(info: Mapping[str, Any]) -> Mapping[str, Any]:
    return info.get("task") or {}


def _task(given: Mapping[str, Any]) -> int | str | None:
    """The task that a reset asks for, None for the seed's."""
    if "task" in given and "index" in given:
        raise CreditGymError("A task is chosen by task or by index: give one of them.")
    if "index" in given:
        return _whole("index", given["index"])
    task = given.get("task")
    if task is not None and (isinstance(task, bool) or not isinstance(task, int | str)):
        raise CreditGymError(f"The task of a reset is a number or an id, not of type {type(task).__name__}.")
    return task


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise CreditGymError(f"The {name} of a reset is a whole number from 0, not {ascii(value)[:40]}.")
    return value


def _text(name: str, given: Mapping[str, Any]) -> str | None:
    value = given.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST_ID):
        raise CreditGymError(f"The {name} of a reset is a text of at most {_LONGEST_ID} characters.")
    return value
