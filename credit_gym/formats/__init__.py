"""The formats of other people's tools, one file a format, reading and writing side by side.

- ``writers`` and ``readers``: formats by name.
- Tables: ``parquet``, ``jsonl``, ``datasets``, from the rows of ``turn_table``.
- Trainers: ``trl``, ``verl``, ``openrlhf``, ``verifiers`` (read as well), from ``credited_turns``.
- Chats: ``chat``, whose ``messages`` have ``parts`` and ``thoughts``; ``agent_process_bench``, with labels of steps.
  ``json_values``: what stands in foreign JSON.
"""
