"""How often Python looks for garbage that holds itself."""

import gc

# Objects made before the young ones are looked at, and how many of these looks before the older ones are. A program lets go of what holds
# itself when it is judged; with Python's own thresholds (700, 10, 10) half of the time goes into looking for what is not there.
_THRESHOLD = 2_000_000, 100, 100


def collect_seldom() -> None:
    """Collect garbage seldom: programs are small, and processes short."""
    gc.set_threshold(*_THRESHOLD)
