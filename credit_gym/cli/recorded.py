"""What a run or a training records on demand, and whether that is what its scorers need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import gymnasium as gym
import typer

from credit_gym.cli.app import environment
from credit_gym.errors import CreditGymError

if TYPE_CHECKING:
    from credit_gym.agents.llm.prompting import Prompting
    from credit_gym.wrappers.record_belief import Believer

Belief = Annotated[
    str | None,
    typer.Option(help="Whose belief in the truth is recorded: exact, the game's own, or hf:FOLDER.", metavar="WHOSE"),
]
Wanted = Sequence[tuple[str, dict[str, Any]]]

_BELIEFS = ("log_belief", "distractor_log_belief")
_WAYS = dict.fromkeys(_BELIEFS, "add --belief exact, or --belief hf:FOLDER with the folder of a model") | {
    "policy_logprob": "play with a language model that gives log-probabilities, such as hf:FOLDER",
    "role": "it comes from an environment whose agents have roles, such as credit/TeamGame-v0",
}


def believing(
    env_id: str, arguments: Mapping[str, Any], belief: str | None, prompting: Prompting | None
) -> gym.Env[str, str]:
    """Make an environment whose verifier is recorded, and a belief if one is asked for."""
    env = environment(env_id, arguments)
    if belief is None:
        return env
    from credit_gym.wrappers.record_belief import RecordBelief, oracle

    return RecordBelief(env, oracle if belief == "exact" else _model(belief, prompting))


def _model(belief: str, prompting: Prompting | None) -> Believer:
    """The model that believes; what reads it needs an extra, which the game's own belief does not."""
    from credit_gym.agents.likelihood.belief_spec import parse_believer
    from credit_gym.agents.llm.prompting import Prompting

    return parse_believer(belief, prompting or Prompting())


def check_groups(env: gym.Env[str, str], env_id: str, group_size: int) -> None:
    """Refuse groups of an environment that has no tasks to play again.

    Raises:
        CreditGymError: it has none.
    """
    if group_size > 1 and not hasattr(env.unwrapped, "num_tasks"):
        raise CreditGymError(f"{env_id} has no list of tasks: leave --group-size out.")


def check_recorded(
    wanted: Wanted,
    env_id: str,
    arguments: Mapping[str, Any],
    *,
    belief: str | None,
    prompting: Prompting | None,
    logprobs: bool,
    group_size: int = 1,
) -> None:
    """Refuse scorers whose columns would not be recorded, and a belief that cannot be read.

    Args:
        wanted: names of scorers with their options.
        env_id: who is played.
        arguments: of the environment.
        belief: whose belief is recorded, None for nobody's.
        prompting: how a believing model is shown the chat.
        logprobs: whether the agent may give log-probabilities.
        group_size: episodes of a task.

    Raises:
        MissingColumnError: a scorer would miss a column.
        CreditGymError: the environment cannot be made or has no tasks for groups, or nobody there can believe so.
    """
    from credit_gym.credit.needs import check_needs, needed

    recorded = {"policy_logprob"} if logprobs else set()
    with closing(believing(env_id, arguments, belief, prompting)) as env:
        check_groups(env, env_id, group_size)
        if belief is not None or "role" in needed(wanted):
            _, info = env.reset(seed=0)
            recorded |= {name for name in (*_BELIEFS, "role") if name in info}
    check_needs(wanted, recorded, _WAYS)
