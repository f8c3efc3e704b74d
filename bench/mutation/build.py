"""One kernel, built as setup.py builds it but without its search for speed, and put where the copy imports it from."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .children import in_child


def _setup() -> Any:
    spec = importlib.util.spec_from_file_location("tmfcore_setup", "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def mutated(path: Path, text: str) -> Iterator[bool]:
    """The kernel with another text, built; yields whether it could be. The copy is as it was afterwards."""
    (library,) = Path("python/tmfcore").glob(f"{path.stem}.*.so")
    before, kept = path.read_bytes(), library.with_suffix(".kept")
    times = path.stat()
    shutil.copy2(library, kept)
    path.write_text(text, encoding="utf-8")
    try:
        yield compiled(path, library)
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        os.replace(kept, library)


def _cython_errors(path: Path, source: Path, directives: dict[str, Any]) -> int:
    from Cython.Compiler import Main

    options = Main.CompilationOptions(
        Main.default_options, compiler_directives=directives, language_level=3, output_file=str(source)
    )
    errors: int = Main.compile(str(path), options).num_errors
    return errors


def compiled(path: Path, library: Path) -> bool:
    """Build `library` from a .pyx; False if Cython or the compiler refuses."""
    import numpy as np

    setup = _setup()
    source = Path("build/mutation-kernel.c")
    source.parent.mkdir(exist_ok=True)
    if in_child(partial(_cython_errors, path, source, setup.DIRECTIVES), 60).get("answer") != 0:
        return False
    include = Path(np.get_include())
    flags = [flag for flag in setup.unix_flags()[0] if not flag.startswith("-O")]
    macros = [f"-D{name}={value}" for name, value in setup.MACROS]
    folders = [f"-L{include.parents[1] / 'random' / 'lib'}", f"-L{include.parent / 'lib'}"]
    part = library.with_suffix(".part")
    commands = (
        [*os.environ.get("CC", "cc").split(), "-c", "-fPIC", "-O1", "-w", *flags, *macros, f"-I{include}", "-Itmfcore",
         f"-I{sysconfig.get_paths()['include']}", str(source), "-o", str(source.with_suffix(".o"))],
        ["cc", "-shared", str(source.with_suffix(".o")), "-o", str(part), *folders,
         "-lnpyrandom", "-lnpymath", "-lm"],
    )  # fmt: skip
    for command in commands:
        if subprocess.run(command, capture_output=True).returncode:
            return False
    os.replace(part, library)
    return True
