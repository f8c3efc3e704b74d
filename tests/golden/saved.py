"""Files of every released version, which every later version reads: tests/golden/files/VERSION.

`python -m tests.golden --files` writes those of this version that are missing. Files of a released version never change;
until the first release those of 0.1.0 may be deleted and written anew.
"""

from pathlib import Path

import tmfcore as tmf

FOLDER = Path(__file__).parent / "files"


def write():
    """The names of the files written."""
    from inputs.things import RESULTS, stepped

    folder = FOLDER / tmf.__version__
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in {**RESULTS, "tmfcore.Population": stepped}.items():
        path = folder / f"{name}.npz"
        result = make()
        if hasattr(result, "save") and not path.exists():
            result.save(path)
            written.append(path.name)
    return written
