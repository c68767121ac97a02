"""Every environment as a task of inspect_ai: ``inspect eval credit_gym/alfworld --model ...``.

This module is the registry that inspect loads by itself (entry point group ``inspect_ai``). A task is called as its
environment, in small letters and without its version; any other Gymnasium id is ``credit_gym/environment -T env=ID``.
A sample is a task of the environment and its epochs are a group; :mod:`credit_gym.agents.harnesses.inspect_play` plays
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
from rich.markup import escape

from credit_gym.agents.harnesses.inspect_play import play
from credit_gym.credit.assign import build_targets
from credit_gym.data.episode import Episode
from credit_gym.errors import CreditGymError, OptionError, missing_extra
from credit_gym.formats.inspect_log import STORE_KEY, recorded_episode
from credit_gym.formats.readers import read_episodes
from credit_gym.registration import ENVIRONMENTS
from credit_gym.scorers import DEFAULT, get

try:
    from inspect_ai import Task, task
    from inspect_ai._util.error import PrerequisiteError  # which its command shows as it is, and no other
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
    from inspect_ai.solver import TaskState
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "inspect_ai", "inspect") from None

AT_ONCE = "pbrs"
"""The scorer of a running evaluation: the change of the verifier's progress at each step."""


class Refused(CreditGymError, PrerequisiteError):  # type: ignore[misc, unused-ignore]
    """What was asked for cannot be had; inspect's command shows the sentence alone."""

    def __init__(self, sentence: str) -> None:
        CreditGymError.__init__(self, sentence)
        self.message = escape(sentence)


@contextmanager
def _in_a_sentence() -> Iterator[None]:
    """Turns what is wrong with arguments into what inspect shows."""
    try:
        yield
    except CreditGymError as error:
        raise Refused(str(error)) from None


@_in_a_sentence()
def _played(
    env: str = "",
    seed: int = 0,
    prompting: str = "plain",
    credit: str = AT_ONCE,
    tasks: int | None = None,
    env_args: dict[str, Any] | None = None,
) -> Task:
    """Play an environment.

    Args:
        env: its Gymnasium id.
        seed: fixes tasks and environments.
        prompting: a name or a YAML file: how the model is asked and read.
        credit: the scorer of each step, one that looks at no other episode.
        tasks: how many there are, where the environment does not say.
        env_args: arguments of the environment.
    """
    _check(env, seed, prompting, credit, tasks, env_args)
    return Task(
        dataset=_samples(env, tasks, env_args or {}),
        solver=play(env, seed, prompting, env_args),
        scorer=outcome(credit),
    )


@scorer(metrics={"success": [mean(), stderr()], "return": [mean(), stderr()]})  # type: ignore[untyped-decorator, unused-ignore]
@_in_a_sentence()
def outcome(credit: str = AT_ONCE) -> Scorer:
    """Whether the task was solved and what it returned; in the metadata, what each step earned.

    A running evaluation scores a sample before its other epochs are played, so scorers that compare episodes cannot be
    had here: see :func:`step_credit`.

    Args:
        credit: a registered scorer whose scope is the episode.

    Raises:
        UnknownNameError: there is no such scorer.
        OptionError: it compares episodes.
    """
    scope = get(credit).scope
    if scope != "episode":
        raise OptionError(
            f"{credit} looks at a whole {scope}, which is not there while an evaluation runs: take {AT_ONCE}, and "
            f"afterwards `inspect score LOG --scorer credit_gym/step_credit -S log=LOG -S by={credit}`."
        )

    async def score(state: TaskState, target: Target) -> Score:
        record = state.store.get(STORE_KEY)
        if record is None:
            raise CreditGymError("This sample was not played by the solver credit_gym/play, so it has no outcome here.")
        episode = recorded_episode(record)
        earned = [each.credit for each in build_targets([episode], credit)]
        value = {"success": float(episode.success), "return": episode.episode_return}
        return Score(value=value, **_told(episode, earned, credit))

    return score


@scorer(metrics=[mean(), stderr()])  # type: ignore[untyped-decorator, unused-ignore]
@_in_a_sentence()
def step_credit(log: str, by: str = DEFAULT) -> Scorer:
    """What each step earned, by a scorer that compares the epochs of a sample: of a log that is complete.

    ``inspect score LOG --scorer credit_gym/step_credit -S log=LOG``; of any log, also one of other people's tasks. The
    value is the sum of the steps' credits, which stand in the metadata.

    Args:
        log: the log that is scored.
        by: a registered scorer.

    Raises:
        CreditGymError: the log cannot be read, or lacks what the scorer needs.
    """
    episodes = {each.episode_id: each for each in read_episodes("inspect", log).episodes if each.error is None}
    earned: dict[str, list[float]] = {}
    for target in build_targets(episodes.values(), by):
        earned.setdefault(target.episode_id, []).append(target.credit)

    async def score(state: TaskState, target: Target) -> Score | None:
        played = f"{state.sample_id}-{state.epoch}"
        if played not in earned:  # it failed, or has no outcome that is known
            return None
        return Score(value=sum(earned[played]), **_told(episodes[played], earned[played], by))

    return score


def _check(env: Any, seed: Any, prompting: Any, credit: Any, tasks: Any, env_args: Any) -> None:
    """Refuse arguments of the wrong kind: inspect passes on whatever YAML makes of them."""
    if not isinstance(env, str) or not env:
        raise OptionError("Name the environment by its Gymnasium id: -T env=credit/ALFWorld-v0.")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise OptionError(f"The seed is a whole number, at least 0, and not {seed!r:.80}: give -T seed=0.")
    if tasks is not None and (not isinstance(tasks, int) or isinstance(tasks, bool) or tasks < 1):
        raise OptionError(f"The tasks are a whole number, at least 1, and not {tasks!r:.80}: give -T tasks=10.")
    for name, value in (("prompting", prompting), ("credit", credit)):
        if not isinstance(value, str):
            raise OptionError(f"The {name} is a name, and not {value!r:.80}: give -T {name}=NAME.")
    if env_args is not None and not (isinstance(env_args, Mapping) and all(isinstance(name, str) for name in env_args)):
        raise OptionError(f'The env_args are a mapping, and not {env_args!r:.80}: give -T "env_args={{split: train}}".')


def _samples(env: str, tasks: int | None, env_args: Mapping[str, Any]) -> MemoryDataset:
    game = _made(env, env_args)
    try:
        known = game.get_wrapper_attr("num_tasks") if game.has_wrapper_attr("num_tasks") else None
    finally:
        game.close()
    count = known if tasks is None else tasks
    if count is None:
        raise CreditGymError(f"{env} does not say how many tasks it has: give -T tasks=N.")
    samples = [
        Sample(id=str(number), input=f"Task {number} of {env}.", metadata={"task": number}) for number in range(count)
    ]
    return MemoryDataset(samples, name=env)


def _made(env: str, env_args: Mapping[str, Any]) -> gym.Env[str, str]:
    try:
        return gym.make(env, **env_args)
    except CreditGymError:
        raise
    except gym.error.Error as error:
        raise OptionError(f"{env!r:.80} is no environment ({_first_line(error)}): give its Gymnasium id.") from None
    except (TypeError, ValueError, ImportError) as error:
        raise OptionError(f"{env} cannot be made with {dict(env_args)!r:.200}: {_first_line(error)}.") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _told(episode: Episode, earned: Sequence[float], by: str) -> dict[str, Any]:
    """What a score says of the steps: to a person, and as data."""
    steps = zip(earned, episode.actions, strict=True)
    return {
        "explanation": "\n".join(f"{credit:+.3f}  {' '.join(action.split())[:200]}" for credit, action in steps),
        "metadata": {"credit": list(earned), "credited_by": by},
    }


def _named(env: str) -> Callable[..., Task]:
    def play_it(
        seed: int = 0,
        prompting: str = "plain",
        credit: str = AT_ONCE,
        env_args: dict[str, Any] | None = None,
    ) -> Task:
        return _played(env, seed, prompting, credit, None, env_args)

    return play_it


task(name="environment")(_played)
for _environment in ENVIRONMENTS:
    task(name=_environment.id.removeprefix("credit/").rpartition("-v")[0].lower())(_named(_environment.id))
