"""Failure logs of multi-agent runs: which agent made the decisive error, and when."""
