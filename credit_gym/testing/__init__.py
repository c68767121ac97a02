"""Checks that an environment, a scorer or an agent of anybody's can be put through."""
