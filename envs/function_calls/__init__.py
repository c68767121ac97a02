"""Many-turn tool calls after BFCL v4: a user whose turns are written down, back ends with a state, gold calls a turn.

``tasks``       what a task is
``embedded/``   back ends of our own, and tasks made from a seed
``published``   the tasks, the documents and the back ends of an unpacked ``bfcl-eval``
``sources``      the two, by name
``gold``, ``actions``   reading gold calls; reading what an agent writes
``world``, ``state``    back ends that are called; what of them is compared
``plan``, ``progress``  the gold calls run once; how far on their way a state is
``conversation``        one conversation, step by step, its published check and its worth
``results``     published result files, read and written
``env``         the Gymnasium face
"""
