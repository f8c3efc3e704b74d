"""The counted process. `python -m bench.instructions.count LIBRARY NAME...` under callgrind; see __main__."""

from __future__ import annotations

import ctypes
import gc
import json
import sys

import tmfcore as tmf
from bench.instructions.kernels import KERNELS


def main() -> int:
    requests = ctypes.CDLL(sys.argv[1])
    if not requests.under_valgrind():
        print("not under valgrind: nothing would be counted", file=sys.stderr)
        return 2
    gc.disable()
    units = {}
    for name in sys.argv[2:]:
        work = KERNELS[name]()
        work.run()  # loading and caching at the first call is not counted
        requests.begin()
        work.run()
        requests.end(name.encode())
        units[name] = (work.units, work.unit)
    print(json.dumps({"units": units, "build": tmf.build_info()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
