"""Which credit trains a language model fastest? Five credits on three environments at equal sampled tokens.

- ``headline_games``: the environments; ``lessons``: what the model is taught before.
- ``learner``: one run under one credit; ``headline_study``: all of them, and what each needs to get where.
"""
