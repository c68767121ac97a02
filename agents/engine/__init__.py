"""The log-prob engine: log-probabilities and beliefs of recorded episodes, one forward pass each."""
