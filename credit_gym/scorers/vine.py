"""VinePPO: the value of a point is the mean outcome of the rollouts restarted there.

``A_t = r_t + V(s_{t+1}) - V(s_t)``, V the mean over restarts (Kazemnejad et al. 2024, VinePPO, arXiv:2410.01679).
"""

from __future__ import annotations

import numpy as np

from credit_gym.data.batch import EpisodeBatch
from credit_gym.data.grouping import FloatArray
from credit_gym.estimation.scaling import Scale, scaled
from credit_gym.estimation.siblings import others_mean, play_value, siblings
from credit_gym.scorers.registry import register


@register("vine", needs={"parent"}, reference="Kazemnejad et al. 2024, VinePPO, arXiv:2410.01679")
def vine(batch: EpisodeBatch, *, scale: Scale = "none") -> FloatArray:
    """A step gets its reward plus the value that it led to minus the value that it started from, both from restarts.

    ``A_t = r_t + V(s_{t+1}) - V(s_t)``, V(s) the mean value of the plays of context s other than the episode's own (its
    K restarts), and the own play's where the context was not restarted. Every episode is in turn the main trajectory
    and the others its restarts, so the credits of an episode telescope to its return minus V(s_0). Both values are
    independent of the step's action: ``E[A_t | s_t, a_t] = Q - V``.

    Args:
        batch: replay trees, one a group; columns as :mod:`~credit_gym.estimation.siblings` describes.
        scale: see :func:`~credit_gym.estimation.scaling.scaled`.

    Returns:
        (S,) float64, in reward units. Rows that list one play differ: each has the next play of its own episode.
    """
    tree = siblings(batch)
    value = others_mean(play_value(batch, tree), tree)
    following = np.where(batch.is_last, 0.0, np.roll(value, -1))
    return scaled(batch.reward + following - value, batch, scale, tree=tree)
