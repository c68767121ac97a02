"""Entry points of the tabular suites: each takes the arguments of a model together with those of what plays it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar

from credit_gym.envs.inputs import check_call
from credit_gym.exact.tabular_model import TabularModel

E = TypeVar("E")


def entry_point(
    name: str, create: Callable[..., E], model: Callable[..., TabularModel], summary: str
) -> Callable[..., E]:
    """Return a function that makes a model and an environment over it.

    Its signature is ``create``'s with the first parameter, the model, replaced by the parameters that make one; these
    are given by name.

    Args:
        name: what the module of the environment calls it, so that it can be pickled.
        create: an environment, whose first argument is the model.
        model: makes the model.
        summary: its docstring.
    """
    of_model, (_, *own) = signature(model), signature(create).parameters.values()

    plain = model.func if isinstance(model, partial) else model

    def make(*args: Any, **arguments: Any) -> E:
        check_call(name, [each.name for each in parameters], (plain, create), arguments)
        given = of_model.bind(**{name: arguments.pop(name) for name in of_model.parameters if name in arguments})
        given.apply_defaults()
        return create(model(*given.args, **given.kwargs), *args, **arguments)

    by_name = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in of_model.parameters.values()]
    parameters = sorted([*by_name, *own], key=lambda each: each.kind)
    make.__name__ = make.__qualname__ = name
    make.__module__, make.__doc__ = create.__module__, summary
    make.__signature__ = Signature(parameters, return_annotation=create)  # type: ignore[attr-defined]
    return make
