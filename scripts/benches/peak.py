"""The most memory that this process held; `ru_maxrss` would tell that of the process that began it, if it was more."""

import re
from pathlib import Path


def peak_mb() -> float:
    """In megabytes, as Linux tells it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1000
