"""The base of every environment here: text in, text out, cheap seeding, and states that can be cloned."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from types import FrameType, MappingProxyType
from typing import Any, NamedTuple, Self, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import seeding

from credit_gym import rng
from credit_gym.data.action_format import LINE, ActionFormat
from credit_gym.envs.inputs import check_arguments, checked_reset, checked_step
from credit_gym.spaces import FreeText


class TextEnv(gym.Env[str, str]):
    """A Gymnasium environment whose observations and actions are text.

    Subclasses implement :meth:`reset` (calling :meth:`seed_episode` first), ``step``, and, where the game allows it,
    :meth:`clone_state` / :meth:`restore_state`. ``info`` always carries ``task`` (dict: id, split, goal),
    ``state_key`` (stable hash of the true state), ``admissible_actions`` (list, where the game knows them),
    ``verifier`` (float, progress made by the last transition; 0.0 at reset), ``step_limit`` and ``steps_left`` (where
    something limits the steps) and, once the episode ended, ``success`` (False where Gymnasium's ``TimeLimit`` ended it
    first). An action that the game refuses is answered in text, flagged
    ``info["invalid"]`` and never raises.

    What a caller gives is checked here for all of them (:mod:`credit_gym.envs.inputs`): arguments by the annotations of
    ``__init__``, options of ``reset`` by :attr:`reset_options`, and an action is a ``str``.

    An environment with a list of tasks has ``num_tasks``, and ``reset(options={"task": index})`` picks one.

    ``copy.deepcopy`` and ``pickle`` make the environment anew from its arguments and move it to the same moment by
    :meth:`clone_state`, so the copy plays the same future; what cannot be forked is copied attribute by attribute.

    Attributes:
        action_format: how long an action is and how it is written; the kind in ``info["action_format"]`` takes its
            place at moments where another one is due.
        reset_options: names that ``options`` of :meth:`reset` may have; any other is refused.
        limit_argument: name of the argument that sets :attr:`most_steps`, empty where there is none. Where it was not
            given, the ``max_episode_steps`` of ``gym.make`` takes its place: see :meth:`limiting`.
        ends_when: what terminates and what truncates an episode, in a sentence.
        data_from: where its tasks come from, their splits, and what names real data.
        published: what was published of it, and how this differs.
        page: name of the page of ``docs/`` that says more of it; empty where there is none.
        reward_rule: what earns how much, in a sentence.
        verifier_rule: what a reading of the verifier is, in a sentence.
        own_info_keys: what its ``info`` has beside :data:`credit_gym.data.declarations.INFO_KEYS`, each in a few words.
        exact_verifier: whether the verifier's readings are the change of an exact potential, of how good an end can
            still be reached and how soon. Then ``info["exact_verifier"]`` says so at reset, and a scorer may trust them
            before any outcome was seen.
        blocking: whether reset and step wait for something (a judge, a sandbox, a foreign engine); an asynchronous
            runner then plays the environment on a thread of its own.
        stream: 64-bit state of the SplitMix64 stream from which every draw of the environment comes. It is part of the
            cloneable state. Seeding it costs one multiplication chain; Gymnasium's ``np_random`` is built from the
            same seed only when somebody reads it.
    """

    action_format: ActionFormat = LINE
    reset_options: Collection[str] = ("task",)
    limit_argument: str = ""
    ends_when: str = ""
    data_from: str = ""
    published: str = ""
    page: str = ""
    reward_rule: str = ""
    verifier_rule: str = ""
    own_info_keys: Mapping[str, str] = MappingProxyType({})
    exact_verifier: bool = False
    blocking: bool = False
    _recipe: _Recipe
    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (declared so by gymnasium.Env)

    def __init_subclass__(cls, **options: Any) -> None:
        """Put the checks around a class, and declare the mode ``ansi`` if it has ``render`` and declares no mode."""
        super().__init_subclass__(**options)
        for name, checked in (("reset", checked_reset), ("step", checked_step)):
            if name in vars(cls):
                setattr(cls, name, checked(vars(cls)[name]))
        if cls.render is not gym.Env.render and not cls.metadata.get("render_modes"):
            cls.metadata = {**cls.metadata, "render_modes": ["ansi"]}

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Check the arguments and remember them: copies are made from them."""
        check_arguments(cls, arguments, options)
        env = super().__new__(cls)
        env._recipe = _Recipe(cls, arguments, options)
        return env

    def __init__(self, *, render_mode: str | None = None) -> None:
        self.observation_space = FreeText()
        self.action_space = FreeText()
        self.render_mode = render_mode
        self.stream: int | None = None
        self._generator: np.random.Generator | None = None
        self._np_random_seed: int | None = None
        self._step_limit: int | None = None  # of a TimeLimit around it
        self._steps_left: int | None = None  # until that ends the episode

    @property
    def most_steps(self) -> int | None:
        """Steps after which the environment itself truncates an episode at the latest; None if it never does."""
        return None

    def limiting(self, steps: int) -> Mapping[str, Any]:
        """Return the arguments with which the environment itself lets an episode have so many steps.

        Under a ``TimeLimit`` it is made anew with them, so that its goals, signals and infos tell of the same limit.
        """
        return {self.limit_argument: steps} if self.limit_argument else {}

    def seed_episode(self, seed: int | None) -> int:
        """Fix the random stream of the next episode and return its 64-bit episode seed.

        With a seed, the stream restarts from it; without one it goes on from where the last episode left it (from the
        operating system's entropy at the very first reset).

        Raises:
            gymnasium.error.Error: the seed is none, or a ``TimeLimit`` around the environment is larger than the
                limit that it was given by argument, and could never hold.
        """
        self._enter_limit(_time_limit(sys._getframe(1).f_back))  # whoever called the reset that called this
        if seed is not None:
            if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
                raise gym.error.Error(f"The seed of reset() must be a non-negative integer, not {seed!r}.")
            self._generator, self._np_random_seed = None, int(seed)
            self.stream = rng.derive(int(seed))
        elif self.stream is None:
            return self.seed_episode(seeding.np_random()[1])
        return self.draw()

    def draw(self) -> int:
        """Return 64 random bits and advance the stream."""
        assert self.stream is not None, "reset() first"
        self.stream = rng.advance(self.stream)
        return rng.mix(self.stream)

    def clone_state(self) -> Any:
        """Return the complete state, random stream included, as a picklable value.

        Raises:
            NotImplementedError: the environment cannot be forked.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be forked.")

    def restore_state(self, state: Any) -> tuple[str, dict[str, Any]]:
        """Continue from a cloned state; return the observation and info of that moment.

        Raises:
            NotImplementedError: the environment cannot be forked.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be forked.")

    def __reduce_ex__(self, protocol: Any) -> Any:
        try:
            limit = self._step_limit, self._steps_left
            moment = _Moment(self._cloned(), self.stream, self._np_random_seed, self._generator, *limit)
        except NotImplementedError:
            return super().__reduce_ex__(protocol)
        return _made_again, (replace(self._recipe, spec=self.spec), moment)

    def _cloned(self) -> Any:
        """The state of the episode under way, None if there is none."""
        try:
            return self.clone_state()
        except gym.error.ResetNeeded:
            return None

    def _enter_limit(self, steps: int | None) -> None:
        """Let a time limit around the environment, None for none, hold for the episode that begins."""
        if steps is None and self._steps_left is None:
            return  # nothing to undo; to touch vars() would make every later look-up of an attribute slower
        if steps != self._step_limit:
            self._adopt_limit(steps)
        self._steps_left = self._step_limit = steps
        vars(self).pop("step", None)
        if steps is not None:
            vars(self)["step"] = self._limited_step

    def _adopt_limit(self, steps: int | None) -> None:
        """Let the environment's own limit be that of a time limit around it, or for None what it was made with."""
        made, takes = self._recipe, self.limiting(steps or 1)
        given = sorted(made.options.keys() & takes.keys())
        if given and steps is not None:
            name = type(self).__name__ if self.spec is None else self.spec.id
            refuse_longer(name, steps, self.most_steps, given[0])
        if takes and not given:
            stream, instead = self.stream, takes if steps is not None else {}
            type(self).__init__(self, *made.arguments, **{**made.options, **instead})
            self.stream = stream

    def _limited_step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step inside a time limit: its end has ``success``, like every other end."""
        result = type(self).step(self, action)
        self._steps_left = (self._steps_left or 1) - 1
        if self._steps_left == 0:
            result[4].setdefault("success", False)
        self.tell_limit(result[4])
        return result

    def tell_limit(self, info: dict[str, Any]) -> None:
        """Let ``step_limit`` and ``steps_left`` of an info be those of the time limit around it, where it is less."""
        for name, outer in (("step_limit", self._step_limit), ("steps_left", self._steps_left)):
            if outer is not None:
                info[name] = min(info.get(name, outer), outer)

    @property
    def _np_random(self) -> np.random.Generator | None:
        """Gymnasium's generator, built lazily: PCG64 seeding would cost more than the rest of reset()."""
        if self._generator is None and self._np_random_seed is not None and self._np_random_seed >= 0:
            self._generator, _ = seeding.np_random(self._np_random_seed)
        return self._generator

    @_np_random.setter
    def _np_random(self, generator: np.random.Generator | None) -> None:
        self._generator = generator


def task_number(task: object, count: int) -> int:
    """Return ``options["task"]`` as the index of one of ``count`` tasks.

    Raises:
        gymnasium.error.Error: it is none.
    """
    if isinstance(task, bool) or not isinstance(task, (int, np.integer)) or not 0 <= task < count:
        raise gym.error.Error(f'options["task"] must be an integer from 0 to {count - 1}, not {task!r}.')
    return int(task)


def refuse_longer(name: str, limit: int, most_steps: int | None, argument: str) -> None:
    """Refuse a limit on the steps of an episode that is larger than the one that the environment was given.

    Raises:
        gymnasium.error.Error: it is.
    """
    if most_steps is not None and limit > most_steps:
        raise gym.error.Error(
            f"{name} ends its episodes after {most_steps} steps at most, so max_episode_steps={limit} cannot hold: "
            f"leave {argument} out."
        )


@dataclass(frozen=True)
class _Recipe:
    """How an environment was made. Copies share the arguments: a model or a judge is not copied with its player."""

    kind: Callable[..., TextEnv]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    spec: EnvSpec | None = None

    def __deepcopy__(self, _: object) -> Self:
        return self


class _Moment(NamedTuple):
    """Where an environment stands."""

    state: Any
    stream: int | None
    seed: int | None
    generator: np.random.Generator | None
    step_limit: int | None
    steps_left: int | None


def _made_again(recipe: _Recipe, moment: _Moment) -> TextEnv:
    env = recipe.kind(*recipe.arguments, **recipe.options)
    env.spec = recipe.spec
    env._enter_limit(moment.step_limit)
    if moment.state is not None:
        env.restore_state(moment.state)
    env.stream = moment.stream
    env._np_random_seed, env._generator = moment.seed, moment.generator
    env._steps_left = moment.steps_left
    return env


def _time_limit(call: FrameType | None) -> int | None:
    """The limit of the ``TimeLimit`` whose reset led to a call, None for none.

    From inside, a wrapper shows only in the calls that come through it: ``gym.make`` gives its ``max_episode_steps`` to
    the wrapper alone (the spec that it leaves with the environment says None), and a wrapper of our own around that one
    (``additional_wrappers``) would forbid native vector environments.
    """
    limits = []
    while call is not None and call.f_code.co_name == "reset":
        if call.f_code is _LIMITED_RESET:
            limits.append(call.f_locals["self"]._max_episode_steps)
        call = call.f_back
    return min(limits, default=None)


_LIMITED_RESET = gym.wrappers.TimeLimit.reset.__code__
