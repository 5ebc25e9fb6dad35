"""Paired measurements: classes of input that a peer could tell apart only by time, in random order, round by round.

A round times every class once, so that whatever the machine does meets them all.  Of each block of rounds a class has
the mean of its quickest quarter, which neither interrupts nor neighbours move; it is compared with that of the first
class of its experiment, and from the blocks comes a 95 % interval.  One class of each experiment is the first one again
under another name: what it shows is what this machine cannot resolve.
"""

from __future__ import annotations

import gc
import random
import statistics
from collections.abc import Callable
from time import perf_counter_ns
from typing import NamedTuple

CONTROL = "control"
BLOCK = 100  # rounds

Operation = Callable[[], object]
Make = Callable[[], Operation]  # prepares one input, which is not timed; what is returned is


class Experiment(NamedTuple):
    """Classes of one question; the first is compared with all others."""

    name: str
    classes: dict[str, Make]
    share: float = 1.0  # of the samples that are asked for: handshakes are slow


class Finding(NamedTuple):
    """How much longer a class takes than the first, in nanoseconds."""

    name: str
    difference: float
    low: float
    high: float


def times(experiment: Experiment, samples: int) -> dict[str, list[int]]:
    """Nanoseconds of each class, round by round."""
    classes = {**experiment.classes}
    first = next(iter(classes))
    classes[CONTROL] = classes[first]
    found: dict[str, list[int]] = {name: [] for name in classes}
    order = list(classes)
    gc.collect()
    gc.disable()
    try:
        for number in range(-samples // 20, samples):  # a twentieth more, to warm up
            random.shuffle(order)
            for name in order:
                operation = classes[name]()
                start = perf_counter_ns()
                operation()
                taken = perf_counter_ns() - start
                if number >= 0:
                    found[name].append(taken)
            if number % 5000 == 0:
                gc.collect()
    finally:
        gc.enable()
    return found


def quick(values: list[int]) -> float:
    """The mean of the quickest quarter."""
    return statistics.fmean(sorted(values)[: max(1, len(values) // 4)])


def compare(found: dict[str, list[int]]) -> list[Finding]:
    """Each class with the first."""
    first, *others = found
    count = len(found[first]) // BLOCK
    findings = []
    for name in others:
        blocks = [slice(at, at + BLOCK) for at in range(0, count * BLOCK, BLOCK)]
        differences = [quick(found[name][block]) - quick(found[first][block]) for block in blocks]
        mean = statistics.fmean(differences)
        error = 1.96 * statistics.stdev(differences) / count**0.5
        findings.append(Finding(name, mean, mean - error, mean + error))
    return findings


def run(experiment: Experiment, samples: int) -> tuple[float, list[Finding]]:
    """How long the first class takes, and how the others differ."""
    found = times(experiment, max(2 * BLOCK, int(samples * experiment.share)))
    return quick(found[next(iter(found))]), compare(found)
