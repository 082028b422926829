"""How often Python looks for garbage that holds itself."""

import gc

# Objects made before the young ones are looked at, and how many of these looks before the older ones are. A tree of libcst is many objects
# without a cycle: with Python's own (700, 10, 10) a quarter of the time goes into looking.
_THRESHOLD = 300_000, 1000, 100


def collect_seldom() -> None:
    """Collect garbage seldom: programs are small, and processes short."""
    gc.set_threshold(*_THRESHOLD)
