"""Many-turn tool calls after BFCL v4: a user whose turns are written down, back ends with a state, gold calls a turn.

``tasks``       what a task is
``embedded/``   back ends of our own, and tasks made from a seed
``published``   the tasks, the documents and the back ends of an unpacked ``bfcl-eval``
``gold``        reading gold calls and running any call, bounded
``state``       what is compared: attributes and answers
``progress``    the verifier: how far on the way of the gold calls a state is
``rules``       one conversation, step by step, and its reward
``results``     published result files, read and written
``env``         the Gymnasium face
"""
