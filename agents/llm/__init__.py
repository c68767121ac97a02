"""Language models as agents: one request and completion for every backend, and the policy that prompts them."""
