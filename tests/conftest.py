"""What every test needs: hypothesis profiles, and plots that need no display.

The profile is HYPOTHESIS_PROFILE if set, "ci" where CI is set, else "dev".
"""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("COLUMNS", None)  # of the terminal that pytest was started in: tables are as wide as tests say

# No deadline and no too_slow: the first example of a test compiles nothing but loads much, and machines are shared.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("dev", max_examples=50, **_COMMON)
settings.register_profile("ci", max_examples=300, derandomize=True, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))
