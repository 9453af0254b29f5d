"""Random numbers that are the same whenever a function is run again.

A step of an attempt may run in an instance that has done other things before, or beside other deliveries: only numbers
that grow from the delivery's own seed are the same then.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it, everything the standard library draws from chance (`random`, `uuid4`, `secrets`) grows from `seed`."""
    before = random.getstate()
    source = random.Random(seed).randbytes
    system = os.urandom
    random.seed(seed)
    _draw_from(source)
    try:
        yield
    finally:
        _draw_from(system)
        random.setstate(before)


def _draw_from(source: object) -> None:
    # `random` keeps a name of its own for it, by which `SystemRandom` and `secrets` draw.
    setattr(os, "urandom", source)
    setattr(random, "_urandom", source)
