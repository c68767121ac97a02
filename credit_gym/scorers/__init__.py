"""Credit scorers: pure functions from an EpisodeBatch to one number per step."""

from __future__ import annotations

from credit_gym.scorers import (  # noqa: F401 (importing a module registers its scorers)
    adaptive,
    belief,
    branch_aware,
    c3,
    coalition,
    combined,
    controls,
    crbc,
    emp_qstar,
    gigpo,
    graphgpo,
    graphhca,
    hca,
    hindsight,
    imitation,
    magrpo,
    mappo,
    mt_grpo,
    outcome,
    progress_advantage,
    redistribution,
    role_shapley,
    salt,
    shaping,
    temporal_difference,
    turn_grpo,
    vine,
)
from credit_gym.scorers.registry import ScorerSpec, get, names, register, score

__all__ = ["ScorerSpec", "get", "names", "register", "score"]
