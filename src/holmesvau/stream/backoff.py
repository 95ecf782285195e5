"""How long to leave alone what just failed: twice as long each time, with some chance, up to a limit."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Seconds: the first pause and the longest one."""

    first: float = 1.0
    longest: float = 60.0

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row (1 or more)."""
        # Half of it by chance, so that many cameras do not come back all at once.
        doubled: float = self.first * 2.0 ** min(failures - 1, 30)
        return min(self.longest, doubled) * random.uniform(0.5, 1.0)
