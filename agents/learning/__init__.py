"""Learning from credit: tabular learners, and the training of language models through TRL, verl, SkyRL and prime-rl.

An adapter to a trainer is thin. It names the versions it was tested with and refuses others in one sentence.
"""
