"""A scorer of your own: a pure function of the batch, registered, checked, and held against the exact advantage."""

import numpy as np

import credit_gym as cg
from credit_gym.data.grouping import FloatArray, compact, group_mean
from credit_gym.envs.tabular.sample import sample_batch
from credit_gym.envs.tabular.stochastic import stochastic_model
from credit_gym.exact.oracle import annotate
from credit_gym.testing import check_scorer


@cg.register("state_mean", scope="group", reference="you, 2026")
def state_mean(batch: cg.EpisodeBatch, *, scale: float = 1.0) -> FloatArray:
    """A step gets how far its episode's return lies above the mean at its state.

    Args:
        batch: the episodes.
        scale: credit per unit of return.

    Returns:
        (S,) one number a step.
    """
    returns = batch.episode_return[batch.episode]  # (S,)
    node, nodes = compact(batch.step_group, batch.state)  # (S,) dense ids of (group, state)
    return scale * (returns - group_mean(returns, node, nodes)[node])


if __name__ == "__main__":
    check_scorer("state_mean")
    print("the scorer keeps its promises")

    model = stochastic_model()
    batch = annotate(sample_batch(model, episodes_per_task=64, seed=0), model)
    truth = batch.require("advantage")
    known = np.isfinite(truth)
    for name in ("state_mean", "outcome_only", "evidence_lambda"):
        credit = cg.score(batch, name)
        print(f"{name}: correlation with the exact advantage {np.corrcoef(credit[known], truth[known])[0, 1]:.2f}")
