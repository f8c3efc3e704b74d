"""The command line of `python -m bench.sweeps`: what sweeps cost, and stores of a million cells."""

from __future__ import annotations

import sys
import time

from bench import pages
from tmfcore.bench.processors import libraries_on_one_thread


def main(arguments: list[str] | None = None) -> int:
    chosen = pages.options(arguments, "python -m bench.sweeps", __doc__.partition(": ")[2], "small sizes")
    libraries_on_one_thread()
    from bench.sweeps import measure, page

    begun = time.perf_counter()
    found = measure.measured(
        measure.QUICK if chosen.quick else measure.FULL, lambda text: print(text, file=sys.stderr, flush=True)
    )
    text = page.text(found, time.perf_counter() - begun, whole=not chosen.quick)
    pages.put(text, "sweeps.md", chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
