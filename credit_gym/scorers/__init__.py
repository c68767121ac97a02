"""Credit scorers: pure functions from an EpisodeBatch to one number per step, an estimator or its family a file.

- ``registry``: name -> function, the columns that it needs, its scope and its source. ``signatures``: its options.
  ``explanation``: the terms that a credit is made of.
- From outcomes: ``outcome``, ``turn_grpo``, ``redistribution``, ``imitation``.
- From states that episodes share: ``gigpo``, ``ecpo``, ``rtmc``, ``salt``, ``hca``, ``temporal_difference``; on the
  pooled graph ``crbc``, ``emp_qstar``, ``graphgpo``, ``graphhca``, ``hindsight``, ``coalition``.
- From segments of an episode: ``milestone`` (a verifier's), ``hiper``.
- From all of these as far as there is evidence: ``evidence_lambda``.
- From a verifier: ``branch_aware``, ``combined``, ``adaptive``, ``mt_grpo``, ``shaping``.
- From beliefs and token probabilities: ``belief``, ``progress_advantage``, ``istar``; another credit scaled by them:
  ``modulate``.
- From replay trees and teams: ``c3``, ``vine``, ``tree_backup``, ``magrpo``, ``mappo``, ``role_shapley``.
- ``controls``: random numbers and the exact advantage.

What they share lies in :mod:`credit_gym.estimation`; a scorer imports another only to combine it.
"""

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
    ecpo,
    emp_qstar,
    evidence_lambda,
    gigpo,
    graphgpo,
    graphhca,
    hca,
    hindsight,
    hiper,
    imitation,
    istar,
    magrpo,
    mappo,
    milestone,
    modulate,
    mt_grpo,
    outcome,
    progress_advantage,
    redistribution,
    role_shapley,
    rtmc,
    salt,
    shaping,
    temporal_difference,
    tree_backup,
    turn_grpo,
    vine,
)
from credit_gym.scorers.registry import DEFAULT, ScorerSpec, check_options, get, names, read_options, register, score
from credit_gym.scorers.signatures import Option

__all__ = ["DEFAULT", "Option", "ScorerSpec", "check_options", "get", "names", "read_options", "register", "score"]
