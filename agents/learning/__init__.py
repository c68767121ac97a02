"""Thin adapters to trainers. Each names the versions it was tested with and refuses others in one sentence."""
