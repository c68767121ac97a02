"""What estimators share: the pooled graph, critics, normalisation, siblings of a replay tree, scores of tokens."""
