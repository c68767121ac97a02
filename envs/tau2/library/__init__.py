"""The embedded domain: the desk of a public library, with its database, policy, tasks and customers."""
