"""Hindsight credit: the steps of a successful episode that remain when its loops are cut out.

``c_t = 1[success and t survives loop erasure]`` (Lawler 1980, Duke Math. J. 47). A method of this project.
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.pooled_graph import pool
from credit_gym.estimation.successes import success_path
from credit_gym.scorers.registry import register


@register("hindsight", scope="episode", reference="credit_gym: loop erasure (Lawler, 1980, Duke Math. J. 47)")
def hindsight(batch: EpisodeBatch, *, signed: bool = False) -> FloatArray:
    """Credit 1 to a step that survives the loop erasure of a successful episode, else 0.

    Its mean over the visits of (s, a) estimates P(the step lies on the episode's success path | s, a).

    Args:
        batch: any legal batch.
        signed: credit -1 to the erased steps of successful episodes. It blames slips: an action that sometimes fails to
            move is punished each time it does.

    Returns:
        (S,) float64 in {0, 1}, or {-1, 0, 1} when signed.
    """
    solved = batch.success[batch.episode]
    kept = success_path(batch, pool(batch))
    return np.where(kept, 1.0, np.where(solved & signed, -1.0, 0.0))
