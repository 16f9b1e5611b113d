"""How kernels are compiled, once for all processes, and spread over processors by threads of our own."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]

PARTS = 4
"""So many parts are made for each processor, as some take longer than others."""

inner: Decorator[Any] = njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")  # type: ignore[call-overload]


def entry(function: Function, fastmath: bool | set[str] = False) -> Function:
    """Compile a function once for all processes, or once for each where nothing can be kept on disk.

    Args:
        fastmath: what may be done to sums of floats, as `numba.njit` has it.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(function))
    except RuntimeError:  # no folder for it may be written
        return cast(Function, njit(nogil=True, fastmath=fastmath)(function))


def share_out(work: Callable[[int, int], Any], ranges: Sequence[tuple[int, int]]) -> list[Any]:
    """What work gives on each range, in their order, on all processors."""
    if len(ranges) <= 1:
        return [work(*part) for part in ranges]
    with ThreadPoolExecutor(processors()) as workers:
        return list(workers.map(work, *zip(*ranges, strict=True)))


def ranges_of(ends: Integers, parts: int | None = None) -> list[tuple[int, int]]:
    """Ranges of things of about the same size together, some for each processor where nobody says how many.

    Args:
        ends: (things + 1,) int64, where each thing begins, and the last one ends.
    """
    wanted = np.linspace(ends[0], ends[-1], (parts or PARTS * processors()) + 1)[1:-1]
    cuts = [0, *np.searchsorted(ends, wanted).tolist(), len(ends) - 1]
    return [(first, last) for first, last in pairwise(cuts) if first < last]


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
