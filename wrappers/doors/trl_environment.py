"""TRL 1.16: an environment as a class whose methods are its actions (``environment_factory`` of ``GRPOTrainer``).

TRL makes an object a rollout, calls ``reset`` with the row of its dataset, shows every other public method to the model
as a tool, tells it what a tool returned or raised, and asks ``get_reward`` at the end. It has one number an episode:
credit per turn takes the live path (``credit-gym train``, :mod:`credit_gym.agents.learning.trl_trainer`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from credit_gym import rng
from credit_gym.data.action_families import describe_family, write_action
from credit_gym.data.action_format import families, format_at
from credit_gym.data.calls import write_call
from credit_gym.data.episode import Episode
from credit_gym.errors import missing_extra
from credit_gym.wrappers.doors.played_game import PlayedGame, open_game
from credit_gym.wrappers.doors.typed_calls import identifiers, typed_method

INSTRUCTION = "Play this game to its end by calling tools, one a turn.\n\n"
"""What the prompt of a row says before the goal."""

Tools = dict[str, tuple[Mapping[str, Any], Callable[[Mapping[str, Any]], str]]]
"""Name -> description and what writes the action that a call makes."""


class GameTools:
    """What the classes of :func:`environment` share: one rollout after another.

    Attributes:
        game: what they play, set by the class.
    """

    _make_game: Callable[[], PlayedGame]

    def __init__(self) -> None:
        self._game = type(self)._make_game()

    def reset(
        self,
        *,
        seed: int | None = None,
        task: int | str | None = None,
        split: str | None = None,
        group: str | None = None,
        **_: Any,
    ) -> str:
        """Begin the game that a row names and return its goal and first observation, the end of the prompt.

        Args:
            seed: of the environment; None goes on with its own randomness.
            task: number or id of the task; None lets the seed pick one.
            split: the split of tasks; None takes that of the environment's arguments.
            group: the episodes that this one is compared with, in its record.
            _: what else a row has, such as ``prompt`` and what reward functions read.
        """
        return self._game.begin(seed=seed, task=task, split=split, group=group or "")

    def get_reward(self) -> float:
        """Return what the game earned; NaN, which TRL leaves out, where the environment failed."""
        episode = self.episode
        if episode is None or episode.error is not None:
            return float("nan")
        return float(episode.episode_return)

    @property
    def episode(self) -> Episode | None:
        """The record of the rollout, for reward functions that take ``environments``. To read it ends the game."""
        return self._game.episode


def environment(env_id: str, **env_args: Any) -> type[GameTools]:
    """Return a class for ``GRPOTrainer(environment_factory=...)``.

    Its tools are the families of actions that the environment declares
    (:class:`~credit_gym.data.action_format.ActionFormat`), or its own tools as the tasks describe them, with a family
    beside them that says something.

    Args:
        env_id: id of the environment.
        env_args: its arguments.

    Raises:
        UnknownNameError: no environment has that id.

    Example:
        >>> from credit_gym.wrappers.doors.trl_environment import environment
        >>> print(environment("credit/WebShop-v0").search.__doc__)
        Search the shop, where there is a search field.
        <BLANKLINE>
        Args:
            words: What for.
    """
    tools = _tools(env_id, env_args)
    names = identifiers(tools, taken=vars(GameTools))
    methods = {
        name: typed_method(schema, name, partial(_call, write))
        for name, (schema, write) in zip(names, tools.values(), strict=True)
    }
    about = {"__doc__": f"Plays {env_id}.", "_make_game": partial(PlayedGame, env_id, **env_args)}
    return type(env_id.rpartition("/")[2], (GameTools,), {**methods, **about})


def row_dataset(
    env_id: str, rows: int, *, seed: int = 0, split: str | None = None, **env_args: Any
) -> Any:  # a datasets.Dataset; the library is not imported for its name
    """Return a dataset of games for :func:`environment`: columns ``prompt``, ``seed``, ``group``, ``task``, ``split``.

    TRL plays a row ``num_generations`` times, with the same seed each time. Tasks come one after another.

    Args:
        env_id: id of the environment.
        rows: how many.
        seed: fixes the seeds of the rows.
        split: the split of tasks; None takes that of the arguments.
        env_args: arguments of the environment.

    Raises:
        MissingExtraError: datasets is not installed.
    """
    try:
        from datasets import Dataset
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "datasets", "trl") from None
    env = open_game(env_id, **{**env_args, **({} if split is None else {"split": split})})
    tasks = getattr(env.unwrapped, "num_tasks", None)
    env.close()
    prompt = [{"role": "user", "content": INSTRUCTION}]
    columns: dict[str, Any] = {
        "prompt": [prompt] * rows,
        "seed": [rng.derive(seed, row) >> 1 for row in range(rows)],  # Arrow's integers have a sign
        "group": [str(row) for row in range(rows)],
        "task": [row % tasks if tasks else None for row in range(rows)],
        "split": [split] * rows,
    }
    return Dataset.from_dict(columns)


def _tools(env_id: str, env_args: Mapping[str, Any]) -> Tools:
    """The tools of an environment; where tasks have tools of their own, those of all tasks."""
    env = open_game(env_id, **env_args)
    try:
        form = format_at(env.unwrapped, {})
        tools: Tools = {}
        if form.kind == "tool_call":
            tasks = getattr(env.unwrapped, "num_tasks", None)
            for options in [{"task": task} for task in range(tasks)] if tasks else [None]:
                _, info = env.reset(seed=0, options=options)
                for schema in info.get("tools") or ():
                    name = str(schema.get("function", schema)["name"])
                    tools.setdefault(name, (schema, partial(write_call, name)))
        for family in families(form):
            tools.setdefault(family.name, (describe_family(family), partial(write_action, family)))
        return tools
    finally:
        env.close()


def _call(write: Callable[[Mapping[str, Any]], str], rollout: Any, arguments: dict[str, Any]) -> str:
    played: str = rollout._game.play(write(arguments))
    return played
