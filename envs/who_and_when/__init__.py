"""Failure logs of multi-agent runs: which agent made the decisive error, and when.

``env``         the environment, with its three protocols
``logs``        logs in the published format, and as columns
``planted``     logs made here, with a slip whose effect replay proves
``zero_model``  attributions that ask no model
"""
