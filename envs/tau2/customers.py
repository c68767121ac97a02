"""Who plays the customer of a domain."""

from __future__ import annotations

from credit_gym.envs.tau2.domain import Domain
from credit_gym.envs.tau2.folder import PUBLISHED
from credit_gym.envs.tau2.library.customer import Member
from credit_gym.envs.tau2.library.embedded import EMBEDDED
from credit_gym.envs.tau2.users import AbsentUser, Model, ModelUser, RecitingUser, User


def customer(domain: Domain, model: Model | None, solo: bool) -> User:
    """Return the customer: nobody, a model, or who belongs to the domain.

    Args:
        domain: whose customer.
        model: plays them, where there is one.
        solo: whether there is none.
    """
    if solo:
        return AbsentUser()
    if model is not None:
        return ModelUser(model, domain.user_tools)
    if domain.name in PUBLISHED:
        return PUBLISHED[domain.name].customer(domain.user_tools)
    return Member() if domain.name == EMBEDDED else RecitingUser(domain.user_tools)
