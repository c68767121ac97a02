"""The published tables, one runnable file each.

- ``stochastic``, ``diagnostic``, ``exploration``, ``caveats``: credit on the controlled tasks.
- ``alfworld``, ``webshop``, ``tau2``: credit on played text environments.
- ``uncertainty``, ``test_time_scaling``, ``failure_attribution``: scores that need no training.
- ``injection_blame``: every scorer against the step that obeyed an injection.
- ``human_labels``: any scorer against what people said of each step.
"""
