"""Which credit trains a team faster? A chain of three roles whose exact advantages can be enumerated."""
