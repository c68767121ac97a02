"""credit_gym: which step of a language-model agent earned the outcome?

``import credit_gym as cg`` registers the environments and gives the names in ``__all__``. Each is loaded when it is
first used, so the import itself stays light; every other name is imported from the module it lives in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from credit_gym.errors import CreditGymError
from credit_gym.registration import register_environments

if TYPE_CHECKING:  # the names of _HOMES once more, for editors and type checkers
    from credit_gym.agents.core import Action, Agent, Context
    from credit_gym.agents.rollout.runner import run_episodes
    from credit_gym.agents.spec import parse_agent
    from credit_gym.credit.advise import advise
    from credit_gym.credit.assign import build_targets
    from credit_gym.credit.credited import credited
    from credit_gym.data.batch import EpisodeBatch
    from credit_gym.data.episode import Episode, Step
    from credit_gym.data.target import TrainingTarget
    from credit_gym.envs.text_env import TextEnv
    from credit_gym.formats.readers import read_episodes
    from credit_gym.formats.writers import write_targets
    from credit_gym.report.page import write_report
    from credit_gym.scorers import names as scorer_names
    from credit_gym.scorers import register, score
    from credit_gym.store import Store, new_run, open_run
    from credit_gym.wrappers import AssignCredit, RecordBelief, RecordEpisodes, RecordVerifier

__all__ = [
    "Action",
    "Agent",
    "AssignCredit",
    "Context",
    "CreditGymError",
    "Episode",
    "EpisodeBatch",
    "RecordBelief",
    "RecordEpisodes",
    "RecordVerifier",
    "Step",
    "Store",
    "TextEnv",
    "TrainingTarget",
    "advise",
    "build_targets",
    "credited",
    "new_run",
    "open_run",
    "parse_agent",
    "read_episodes",
    "register",
    "register_environments",
    "run_episodes",
    "score",
    "scorer_names",
    "write_report",
    "write_targets",
]

__version__ = "0.1.0"

_HOMES = {
    "Action": "credit_gym.agents.core",
    "Agent": "credit_gym.agents.core",
    "AssignCredit": "credit_gym.wrappers",
    "Context": "credit_gym.agents.core",
    "Episode": "credit_gym.data.episode",
    "EpisodeBatch": "credit_gym.data.batch",
    "RecordBelief": "credit_gym.wrappers",
    "RecordEpisodes": "credit_gym.wrappers",
    "RecordVerifier": "credit_gym.wrappers",
    "Step": "credit_gym.data.episode",
    "Store": "credit_gym.store",
    "TextEnv": "credit_gym.envs.text_env",
    "TrainingTarget": "credit_gym.data.target",
    "advise": "credit_gym.credit.advise",
    "build_targets": "credit_gym.credit.assign",
    "credited": "credit_gym.credit.credited",
    "new_run": "credit_gym.store",
    "open_run": "credit_gym.store",
    "parse_agent": "credit_gym.agents.spec",
    "read_episodes": "credit_gym.formats.readers",
    "register": "credit_gym.scorers",
    "run_episodes": "credit_gym.agents.rollout.runner",
    "score": "credit_gym.scorers",
    "scorer_names": "credit_gym.scorers:names",
    "write_report": "credit_gym.report.page",
    "write_targets": "credit_gym.formats.writers",
}
"""Name -> the module it lives in, and ``:name`` where it has another name there."""

_ROOMS = (
    *("agents", "baselines", "cli", "credit", "data", "envs", "estimation", "exact", "formats", "metrics"),
    *("report", "scorers", "store", "testing", "wrappers"),
)
"""Sub-packages, imported when they are first asked for."""


if not TYPE_CHECKING:  # or type checkers would believe in any name

    def __getattr__(name: str) -> Any:
        if name in _ROOMS:
            return import_module(f"credit_gym.{name}")
        if name not in _HOMES:
            raise AttributeError(f"credit_gym has no {name!r}; {_nearest(name)}", name=name)
        module, _, original = _HOMES[name].partition(":")
        value = getattr(import_module(module), original or name)
        globals()[name] = value  # found once, it is an ordinary attribute
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS, "__doc__", "__file__", "__name__", "__path__", "__version__"})


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, __all__, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else "dir(credit_gym) lists what it has."


register_environments()
