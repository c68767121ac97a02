"""The data model: the table of columns, the Episode as it was played, and the EpisodeBatch that scorers read.

- ``columns``: the table. ``episode``: one run of one task. ``target``: a step with its credit.
- ``batch``: many episodes as flat columns, made by ``interning``; ``grouping`` is the arithmetic on them, ``soundness``
  says which numbers can be computed with.
- ``keys``: what states are pooled by, out of ``normal_text``, ``similarity``, ``call_history`` or a user's function
  (``key_functions``); ``recurrence``: how often they recur.
- Words of what is recorded: ``action_format`` (how long an action is), ``calls`` (tool calls in one text, also out of
  ``call_dialects`` and ``python_calls``), ``finish_reasons``.
"""
