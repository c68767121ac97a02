"""Does belief credit train faster? A guessing game small enough that its exact posterior is known.

- ``guessing_game``: the rules and the exact posterior; ``guessing_model``: the small model that plays it.
- ``guessing_training``, ``guessing_study``: one run, and all of them.
- ``guessing_best_of``: what the belief is worth without training; ``guessing_pairs``: pairs of models for other scores.
- ``published_evaluation``: the published protocol on any language model.
"""
