"""When does per-step credit pay? A map of exact regimes.

- ``regime``: a point of the map, its exact model, and what of it scorers may see. ``map_points``: the map's own.
- ``race``: many learners at once, each a policy gradient with a trust region, until they solve the regime.
- ``regimes_study``: tunes and races every scorer at every point. ``regimes_page``: its tables, figure and page.
- ``regimes_advice``: what of it ``credit-gym advise`` reads.
"""
