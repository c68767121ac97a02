"""The baselines: what is published about credit assignment, made again by one command a table.

- ``tables``: the published tables.
- ``studies``: questions beyond them, answered against exact values or by training.
- ``speed``: the speed table.
- ``stress``: faults done to the commands.
- ``protocol``: how experiments are run, scored, kept and printed.
"""
