"""How good credits, scores and agents are, and the statistics that say how sure that is."""
