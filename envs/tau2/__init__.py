"""credit/Tau2-v0: agents that serve a customer with tools, under a policy, on a database."""
