"""What an environment declares of itself: how an action is written, what is rewarded, what verifier and info say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from credit_gym.data.action_format import ActionFormat, declaring_class, format_at

INFO_KEYS: Mapping[str, str] = {
    "task": "the task: its id, its split, its goal in words",
    "state_key": "a hash of the true state, equal where the state is",
    "admissible_actions": "what can be done now, where the game can list it",
    "expert_actions": "what an expert would do now, where there is one",
    "invalid": "whether the last action was refused",
    "verifier": "progress made by the last action; 0 at reset",
    "exact_verifier": "whether the readings are the change of an exact potential",
    "step_limit": "most steps of an episode",
    "steps_left": "steps that are left of them",
    "success": "at the end: whether the task was solved",
}
"""Keys of ``info`` that mean the same in every environment."""

RULES: Mapping[str, str] = {
    "Reward": "reward_rule",
    "Verifier": "verifier_rule",
    "Ends": "ends_when",
    "Tasks": "data_from",
    "Published": "published",
}
"""What a sentence of an environment is about -> the attribute that has it."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an environment says of itself without being made.

    Attributes:
        action_format: how an action is written.
        rules: what the rule is about -> the sentence, as :data:`RULES` has them; what it does not say is left out.
        page: name of the page of ``docs/`` that says more of it; empty where there is none.
        forkable: whether a moment of it can be cloned and restored.
        exact_verifier: whether the readings are declared to be the change of an exact potential.
        info_keys: key of ``info`` -> what it says, the common ones first.
    """

    action_format: ActionFormat
    rules: Mapping[str, str]
    page: str
    forkable: bool
    exact_verifier: bool
    info_keys: Mapping[str, str]


def declaration(env_id: str) -> Declaration:
    """Return what the class that an id makes declares; the least where Gymnasium knows no such id.

    Args:
        env_id: its Gymnasium id.
    """
    declaring = declaring_class(env_id)
    return Declaration(
        action_format=format_at(declaring, {}),
        rules={about: rule for about, name in RULES.items() if (rule := getattr(declaring, name, ""))},
        page=getattr(declaring, "page", ""),
        forkable=_forkable(declaring),
        exact_verifier=getattr(declaring, "exact_verifier", False) is True,
        info_keys={**INFO_KEYS, **getattr(declaring, "own_info_keys", {})},
    )


def _forkable(declaring: object) -> bool:
    """Whether a class has a ``clone_state`` of its own; that of the base only says that there is none."""
    function = getattr(declaring, "clone_state", None)
    return function is not None and getattr(function, "__qualname__", "") != "TextEnv.clone_state"
