"""The ids under ``credit/``: lazy entry points, so that registering imports no environment."""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium as gym


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """One registered environment.

    Attributes:
        id: Gymnasium id.
        entry_point: ``module:attribute`` of the environment.
        vector_entry_point: the same of its native vector environment, None if there is none.
        summary: one line for listings.
    """

    id: str
    entry_point: str
    vector_entry_point: str | None
    summary: str


_VECTOR = "credit_gym.envs.tabular.vector:"
_TABULAR = "credit_gym.envs.tabular.env:"

ENVIRONMENTS = (
    EnvironmentSpec(
        "credit/Stochastic-v0",
        _TABULAR + "stochastic",
        _VECTOR + "stochastic",
        "stages with slips, loops, detours and fatal actions; exact oracle",
    ),
    EnvironmentSpec(
        "credit/StochasticNoisy-v0",
        _TABULAR + "stochastic_noisy",
        _VECTOR + "stochastic_noisy",
        "the same with one verifier reading in ten wrong",
    ),
    EnvironmentSpec(
        "credit/Diagnostic-v0",
        _TABULAR + "diagnostic",
        _VECTOR + "diagnostic",
        "14 tasks, each a disease of credit assignment (task=...)",
    ),
    EnvironmentSpec(
        "credit/WebShopManifest-v0",
        _TABULAR + "webshop_manifest",
        _VECTOR + "webshop_manifest",
        "WebShop-like state machines from a data file",
    ),
    EnvironmentSpec(
        "credit/ALFWorldManifest-v0",
        _TABULAR + "alfworld_manifest",
        _VECTOR + "alfworld_manifest",
        "ALFWorld-like state machines from a data file",
    ),
    EnvironmentSpec(
        "credit/ALFWorld-v0",
        "credit_gym.envs.alfworld.env:ALFWorldEnv",
        "credit_gym.envs.alfworld.vector:ALFWorldVectorEnv",
        "household tasks, ALFWorld's own rules and texts, on generated or real games",
    ),
    EnvironmentSpec(
        "credit/WebShop-v0",
        "credit_gym.envs.webshop.env:WebShopEnv",
        None,
        "search, read and buy by WebShop's published rules, in an invented catalogue or the real one",
    ),
)


def register_environments() -> None:
    """Register every id with Gymnasium; registering twice is harmless."""
    for spec in ENVIRONMENTS:
        if spec.id not in gym.registry:
            gym.register(
                id=spec.id,
                entry_point=spec.entry_point,
                vector_entry_point=spec.vector_entry_point,
                disable_env_checker=True,  # the tests run the full checker on every id
                order_enforce=False,  # every environment here says itself when reset() is due
            )
