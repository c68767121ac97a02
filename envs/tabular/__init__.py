"""Tabular environments: small tasks whose exact model is known.

``env``, ``vector``                    the environments, and n copies of one moved by array operations
``entry``                              the functions behind the ids: a model's arguments and the environment's in one
``stochastic``                         climbs in which actions slip, loop, lead astray or to the end
``diagnostic``, ``diseases``           suites of one maze, and the fourteen mazes
``manifest``                           tasks written down in a JSON file (``manifests/``)
``build``, ``sketch``                  from states and actions to an exact model, and their disguise
``dynamics``, ``board``, ``sample``    what 64 random bits decide, a model laid out for playing, many episodes at once
"""
