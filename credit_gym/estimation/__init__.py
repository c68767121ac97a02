"""What estimators share, each file one estimate or one convention.

- ``pooled_graph``: the graph of all episodes of a group, its values by one sparse solve; on it ``policy_iteration``
  (optimal values), ``branches`` (an action against the others) and ``successes`` (where solved episodes went).
- ``critic``: state values, recorded or fitted, and their temporal differences.
- ``normalise``: centring and scaling within groups; ``scaling``: the same over the plays of a tree.
- ``siblings``: how a replay tree lies in a batch, and what its plays are worth; ``coalitions``: Shapley values.
- ``token_scores``: from tokens to steps to trajectories. ``log_beliefs``: recorded beliefs as numbers to compute with.
- ``modes``: the corrected form of a published method, or its code as it is. ``ranges``: which values an option takes.
"""
