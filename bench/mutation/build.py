"""Builds one kernel like setup.py, but without optimisation, at the place from which the copy imports it."""

from __future__ import annotations

import contextlib
import functools
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
def mutated(path: Path, text: str, kernels: tuple[str, ...]) -> Iterator[bool]:
    """Replaces the text of a kernel or header and builds its kernels; restores everything afterwards.

    Yields whether the program is different: False if a compiler fails, or if all objects are unchanged.
    """
    sources = [Path("tmfcore") / name for name in kernels]
    before, times = path.read_bytes(), path.stat()
    usual = [_usual(source) for source in sources]
    path.write_text(text, encoding="utf-8")
    libraries: list[Path] = []
    try:
        made = [compiled(source, cython=source == path) for source in sources]
        other = None not in made and made != usual
        if other:
            for source in sources:
                library = next((Path("python") / source).parent.glob(f"{source.stem}.*.so"))
                shutil.copy2(library, library.with_suffix(".kept"))
                libraries.append(library)
                other = other and _linked(source, library)
        yield other
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        for library in libraries:
            os.replace(library.with_suffix(".kept"), library)


@functools.cache
def _usual(source: Path) -> bytes | None:
    """The object file of the unchanged kernel."""
    return compiled(source, cython=True)


def _cython_errors(path: Path, source: Path, directives: dict[str, Any]) -> int:
    from Cython.Compiler import Main

    options = Main.CompilationOptions(
        Main.default_options, compiler_directives=directives, language_level=3, output_file=str(source)
    )
    errors: int = Main.compile(str(path), options).num_errors
    return errors


def _object(source: Path) -> Path:
    return Path("build") / f"mutation-{'-'.join(source.with_suffix('').parts)}.o"


def compiled(source: Path, *, cython: bool) -> bytes | None:
    """The object file of a .pyx; None if Cython or the compiler fails. Without `cython` its C file exists already."""
    import numpy as np

    setup = _setup()
    made = _object(source)
    made.parent.mkdir(exist_ok=True)
    c = made.with_suffix(".c")
    if cython and in_child(partial(_cython_errors, source, c, setup.DIRECTIVES), 60).get("answer") != 0:
        return None
    flags = [flag for flag in setup.unix_flags()[0] if not flag.startswith("-O")]
    macros = [f"-D{name}={value}" for name, value in setup.MACROS]
    command = [
        *os.environ.get("CC", "cc").split(), "-c", "-fPIC", "-O1", "-w", *flags, *macros, f"-I{np.get_include()}",
        "-Itmfcore", "-I.", f"-I{sysconfig.get_paths()['include']}", str(c), "-o", str(made),
    ]  # fmt: skip
    return None if subprocess.run(command, capture_output=True).returncode else made.read_bytes()


def _linked(source: Path, library: Path) -> bool:
    import numpy as np

    include, part = Path(np.get_include()), library.with_suffix(".part")
    folders = [f"-L{include.parents[1] / 'random' / 'lib'}", f"-L{include.parent / 'lib'}"]
    command = ["cc", "-shared", str(_object(source)), "-o", str(part), *folders, "-lnpyrandom", "-lnpymath", "-lm"]
    if subprocess.run(command, capture_output=True).returncode:
        return False
    os.replace(part, library)
    return True
