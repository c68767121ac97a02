"""Which credit trains a language model fastest? Five credits on three environments at equal sampled tokens."""
