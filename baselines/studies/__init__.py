"""Studies that go beyond a published table: what credit is worth, measured against exact answers or in training."""
