"""What passes between an OpenEnv server of ours and its clients: actions, observations, states."""

from __future__ import annotations

from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.errors import missing_extra

try:
    from openenv.core.env_server.types import Action, Observation, State
    from pydantic import Field, PrivateAttr
except ModuleNotFoundError as error:
    raise missing_extra(error.name or "openenv", "openenv") from None


class CreditAction(Action):  # type: ignore[misc]
    """What a player does: one text, which is all that must be given, so a client may send a reply of a model as it is.

    With ``metadata={"clone": True}`` nothing is played: the observation stays, and its ``metadata["snapshot"]`` names
    a snapshot for ``reset(snapshot=...)``.
    """

    text: str = Field(description="The action, as the environment's action_format says.")


class CreditObservation(Observation):  # type: ignore[misc]
    """What a player may see. What does not change is told when an episode begins, and None afterwards."""

    text: str = Field(description="What the environment says.")
    goal: str | None = Field(default=None, description="The task in words; told at the beginning.")
    task: str | None = Field(default=None, description="Id of the task; told at the beginning.")
    split: str | None = Field(default=None, description="Split of the task; told at the beginning.")
    action_format: str | None = Field(
        default=None, description="How an action is written; told at the beginning and where it changes."
    )
    tools: list[dict[str, Any]] | None = Field(
        default=None, description="JSON schemas of the game's tools, where it has some; told at the beginning."
    )
    admissible_actions: list[str] | None = Field(
        default=None, description="Actions on offer, where the game lists them."
    )
    role: str | None = Field(default=None, description="Whose turn it is, in a team.")
    terminated: bool = Field(default=False, description="Whether the episode ended by its own rules.")
    truncated: bool = Field(default=False, description="Whether a limit ended it.")
    step_limit: int | None = Field(default=None, description="Most actions of an episode; told at the beginning.")
    steps_left: int | None = Field(default=None, description="Actions that are left.")
    invalid: bool | None = Field(default=None, description="Whether the game refused the last action.")
    success: bool | None = Field(default=None, description="Whether the task was solved; told at the end.")
    revealed: dict[str, Any] | None = Field(
        default=None, description="What only the game knows; told by servers started with --reveal."
    )
    _episode: Episode | None = PrivateAttr(default=None)  # the record, for a rubric; it is never sent


class CreditState(State):  # type: ignore[misc]
    """Where a session stands."""

    env: str = Field(default="", description="Id of the environment.")
    seed: int | None = Field(default=None, description="Seed of the episode; the same one plays it again.")
    task: str | None = Field(default=None, description="Id of the task.")
    credits: list[float] | None = Field(
        default=None, description="What each step of an episode that is over was worth, among those of its task by now."
    )
