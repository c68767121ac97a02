"""Tabular environments: small tasks whose exact model is known."""
