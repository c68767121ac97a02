"""Which credit trains a language model fastest? Credits within one trust region, a rate for each, equal sampled tokens.

- ``headline_games``: the environments; ``walk``: how one becomes an exact model.
- ``player``: the model that plays, and what it is taught before.
- ``learner``: one training under one credit; ``headline_study``: all of them, and what each needs to get where.
"""
