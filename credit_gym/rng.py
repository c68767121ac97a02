"""SplitMix64: one 64-bit integer of random state, the same numbers scalar or vectorised.

Environments keep this integer inside their cloneable state: forking an episode copies one int, and a vector
environment of n copies draws exactly what n single environments draw. Reference: Steele, Lea, Flood (2014),
"Fast splittable pseudorandom number generators", OOPSLA, figure 13.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UIntArray = npt.NDArray[np.uint64]

_MASK = 0xFFFFFFFFFFFFFFFF
_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def advance(state: int) -> int:
    """Return the state after one draw."""
    return (state + _GAMMA) & _MASK


def mix(state: int) -> int:
    """Return the 64 random bits of a state (a bijection of 64-bit integers)."""
    z = ((state ^ (state >> 30)) * _MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
    return z ^ (z >> 31)


def derive(*parts: int) -> int:
    """Return a 64-bit seed that depends on every integer in ``parts`` and their order."""
    state = 0
    for part in parts:
        # mix(advance(state ^ mix(advance(part)))), inlined: every draw of an agent comes through here
        z = ((part & _MASK) + _GAMMA) & _MASK
        z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
        z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
        z = ((state ^ z ^ (z >> 31)) + _GAMMA) & _MASK
        z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
        z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
        state = z ^ (z >> 31)
    return state


def advance_array(state: UIntArray) -> UIntArray:
    """Vectorised :func:`advance`; ``state`` is (n,) uint64."""
    return state + np.uint64(_GAMMA)


def mix_array(state: UIntArray) -> UIntArray:
    """Vectorised :func:`mix`; ``state`` is (n,) uint64."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    return z ^ (z >> np.uint64(31))


def derive_array(*parts: UIntArray) -> UIntArray:
    """Vectorised :func:`derive` over broadcastable uint64 arrays."""
    state = np.zeros((), dtype=np.uint64)
    for part in parts:
        state = mix_array(advance_array(state ^ mix_array(advance_array(part))))
    return state
