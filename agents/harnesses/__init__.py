"""Doors for harnesses that bring a model of their own: our environments there, asked as our prompting asks."""
