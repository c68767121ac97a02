"""How an experiment is run: what the tables and studies share.

- Controlled environments: ``controlled`` (sample, score, judge), ``experiment`` (over seeds, to JSON), ``sweep`` (over
  settings), ``scorer_rows`` (as a table).
- Played environments: ``collection`` (play a run, score it, compare it with the expert).
- Recorded episodes: ``recorded_episodes`` (read), ``trajectory_scores`` (score); ``reward_head`` and ``planted_pair``
  make the small models that stand in for published ones.
- ``compute``: where the work is done; ``study_training``: a training under way; ``kept_runs`` and ``seed_curve``:
  those of several seeds; ``options`` and ``publish``: what commands take and give.
"""
