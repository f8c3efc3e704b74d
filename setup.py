"""Builds the Cython kernels. All static metadata is in pyproject.toml.

Every ``tmfcore/ROOM/NAME.pyx`` becomes the extension module ``tmfcore.ROOM.NAME`` in ``python/tmfcore/ROOM/``, beside
the Python modules that use it. It is compiled again if it, or a file that it includes or cimports, changes.
Directives are set only here: a directive in a file header would silently override those of a debug build.

Switches, read from the environment; ``tmfcore.build_info()`` reports them:

    TMFCORE_ABI3=0                      one extension per Python version instead of one ``cp311-abi3``
    TMFCORE_DEBUG=1                     bounds and initialisation checks, -O0 -g, asserts kept
    TMFCORE_TRACE=1                     line tracing, for coverage of the .pyx files (implies TMFCORE_ABI3=0)
    TMFCORE_SANITIZE=address,undefined  the compiler's sanitizers
    TMFCORE_ANNOTATE=1                  Cython's annotated HTML beside the generated C

The kernels see them as the C macros TMFCORE_ABI3, TMFCORE_DEBUG, TMFCORE_TRACE, TMFCORE_ANNOTATE (0 or 1) and, as
strings, TMFCORE_SANITIZE, TMFCORE_BUILD_NUMPY, TMFCORE_BUILD_CYTHON. Each combination of switches, numpy and Cython has
its own folder under build/, whose files are reused if they are newer than their sources.

Cython's own code for memoryviews is compiled once, as tmfcore._base._cyutility, and imported by all kernels; in each of
them it would take most of the time to compile.
"""

import functools
import multiprocessing
import os
import re
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  not installed by pip
    raise SystemExit(f"tmfcore needs Python 3.11 or newer; this is {sys.version.split()[0]}, {sys.executable}")
try:
    import Cython
    import numpy as np
    import setuptools
    from setuptools import Extension, setup
    from setuptools.command.build_ext import build_ext
    from setuptools.command.build_py import build_py
except ImportError as error:
    raise SystemExit(
        f"building tmfcore needs setuptools, Cython and numpy: {error}. `python -m pip install .` brings them; "
        "without build isolation: python -m pip install 'setuptools>=77' 'cython>=3.1,<4' 'numpy>=2.0'"
    ) from None
if int(setuptools.__version__.split(".")[0]) < 77:  # older ones refuse the licence in pyproject.toml without a reason
    raise SystemExit(
        f"building tmfcore needs setuptools 77 or newer; this is {setuptools.__version__}: "
        "python -m pip install --upgrade 'setuptools>=77'"
    )

KERNELS = Path("tmfcore")
SHARED = "tmfcore._base._cyutility"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def switch(name: str, default: str = "0") -> bool:
    value = os.environ.get(name, default)
    if value not in ("", "0", "1"):
        raise SystemExit(f"{name} is {value!r}; must be 0 or 1")
    return value == "1"


DEBUG = switch("TMFCORE_DEBUG")
TRACE = switch("TMFCORE_TRACE")
ANNOTATE = switch("TMFCORE_ANNOTATE")
SANITIZE = os.environ.get("TMFCORE_SANITIZE", "")
ABI3 = switch("TMFCORE_ABI3", "1") and not FREE_THREADED and not TRACE

VARIANT = "-".join(
    ["abi3" if ABI3 else sys.implementation.cache_tag + ("t" if FREE_THREADED else "")]
    + [name for name, on in (("debug", DEBUG), ("trace", TRACE), ("annotate", ANNOTATE)) if on]
    + [part for part in SANITIZE.split(",") if part]
    + [f"numpy{np.__version__}", f"cython{Cython.__version__}"]
)
GENERATED = f"build/{VARIANT}/c"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "embedsignature": True,
    "auto_pickle": False,
    "freethreading_compatible": True,
    "linetrace": TRACE,
}

MACROS = [
    ("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"),
    ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION"),
    ("CYTHON_COMPRESS_STRINGS", "0"),  # a wheel is compressed as a whole, and more so if its parts are not
    ("TMFCORE_ABI3", str(int(ABI3))),
    ("TMFCORE_DEBUG", str(int(DEBUG))),
    ("TMFCORE_TRACE", str(int(TRACE))),
    ("TMFCORE_ANNOTATE", str(int(ANNOTATE))),
    ("TMFCORE_SANITIZE", f'"{SANITIZE}"'),
    ("TMFCORE_BUILD_NUMPY", f'"{np.__version__}"'),
    ("TMFCORE_BUILD_CYTHON", f'"{Cython.__version__}"'),
]
if ABI3:
    MACROS += [("Py_LIMITED_API", "0x030B0000"), ("CYTHON_LIMITED_API", "1")]
if TRACE:
    MACROS += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]


def unix_flags() -> tuple[list[str], list[str]]:
    """Compile and link flags for gcc and clang. They keep IEEE arithmetic: the same bits on every instruction set."""
    compile_flags = ["-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno", "-fopenmp-simd"]
    compile_flags += ["-Wno-unused-function"]  # a header has functions for many modules, and no module uses all of them
    if SANITIZE:  # -fno-wrapv: some interpreters are built with -fwrapv, which would hide signed overflow
        sanitizers = [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"]
        return [*compile_flags, "-O1", "-g", "-fno-wrapv", "-UNDEBUG", *sanitizers], sanitizers
    if DEBUG:
        return [*compile_flags, "-O0", "-g", "-UNDEBUG"], []
    if sys.platform == "linux":  # -fno-plt: no stub for each of the some 150 functions of Python that a module calls
        return [*compile_flags, "-O3", "-g0", "-fno-plt"], ["-Wl,-s"]
    return [*compile_flags, "-O3", "-g0"], []


#: MSVC rounds every operation, and fuses none, by default.
MSVC_FLAGS = ["/std:c11", "/O2"]


@functools.cache
def compiled_modules() -> frozenset[Path]:
    """The paths of the compiled modules, without suffix."""
    return frozenset({Path(*SHARED.split(".")), *(source.with_suffix("") for source in KERNELS.rglob("*.pyx"))})


@functools.cache
def named_in(path: Path) -> frozenset[Path]:
    """The headers and .pxd files that a kernel file includes or cimports."""
    text = path.read_text()
    included = re.findall(r'(?:#include|extern from) "(?:tmfcore/)?([\w/]+\.h)"', text)
    named = [KERNELS / name for name in included]
    for module in re.findall(r"^ *from tmfcore\.([\w.]+) cimport", text, re.MULTILINE):
        named.append(KERNELS / f"{module.replace('.', '/')}.pxd")
    if path.suffix == ".pyx" and path.with_suffix(".pxd").exists():
        named.append(path.with_suffix(".pxd"))
    return frozenset(named)


@functools.cache
def named_by(path: Path) -> frozenset[Path]:
    """The headers and .pxd files that a kernel file includes or cimports, directly or indirectly."""
    found: set[Path] = set()
    pending = {path}
    while pending:
        found |= pending
        pending = {named for one in pending for named in named_in(one)} - found
    return frozenset(found - {path})


def interface_files() -> dict[str, str]:
    """The files that other projects cimport and include, by their place in the package: what cython_api.pxd names.

    Cython finds the .pxd files in the package; the headers are in a folder of their own, get_include(), in which they
    have the names that .pxd files and users include: "tmfcore/_random/bounded.h".
    """
    api = KERNELS / "cython_api.pxd"
    files = {api, *named_by(api)}
    packages = {folder / "__init__.pxd" for path in files for folder in path.parents}
    files |= {path for path in packages if path.exists()}
    return {str(path if path.suffix == ".pxd" else KERNELS / "include" / path): str(path) for path in sorted(files)}


def check_compiler() -> None:
    """End with a sentence if there is no compiler or no Python.h: its own words come once for every module."""
    if sys.platform == "win32":  # setuptools looks for MSVC, and says what to install
        return
    program = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if shutil.which(program) is None:
        raise SystemExit(
            f"building tmfcore needs a C compiler; there is no {program} here. Install one (Debian and Ubuntu: apt "
            "install gcc; Fedora: dnf install gcc; macOS: xcode-select --install), or a ready wheel: pip install "
            "--only-binary tmfcore tmfcore"
        )
    folder = sysconfig.get_path("include")
    if not Path(folder, "Python.h").is_file():
        raise SystemExit(
            f"building tmfcore needs the headers of Python; Python.h is not in {folder}. "
            "Install them (Debian and Ubuntu: apt install python3-dev; Fedora: dnf install python3-devel)"
        )


class BuildExt(build_ext):
    """Adds the flags of the compiler in use; rebuilds all in-place modules if the switches have changed."""

    def build_extensions(self) -> None:
        compile_flags, link_flags = MSVC_FLAGS, []
        if self.compiler.compiler_type == "unix":
            compile_flags, link_flags = unix_flags()
        for extension in self.extensions:
            extension.extra_compile_args += compile_flags
            extension.extra_link_args += link_flags
        super().build_extensions()

    def run(self) -> None:
        check_compiler()  # before Cython runs, which takes a while
        written = {extension.name: extension.sources for extension in extensions()}
        for extension in self.extensions:
            extension.sources = written[extension.name]
        # The longest first: it is not the last to end, alone.
        self.extensions.sort(key=lambda extension: -Path(extension.sources[0]).stat().st_size)
        stamp = Path("build") / "inplace-variant"
        if self.inplace:
            if not stamp.exists() or stamp.read_text() != VARIANT:
                self.force = True
            suffix = ".abi3.so" if ABI3 else sysconfig.get_config_var("EXT_SUFFIX")
            # Delete modules of other variants, which Python may import first, and modules without a source.
            for old in Path("python/tmfcore").rglob("*"):
                if old.suffix in (".so", ".pyd"):
                    module = old.relative_to("python").with_name(old.name.partition(".")[0])
                    if not old.name.endswith(suffix) or module not in compiled_modules():
                        old.unlink()
        super().run()
        if self.inplace:
            stamp.parent.mkdir(exist_ok=True)
            stamp.write_text(VARIANT)


class BuildPy(build_py):
    """Copies the files of the Cython interface, which are outside python/, into the package; deletes older files."""

    def run(self) -> None:
        if not self.editable_mode:
            self.drop_what_is_not_built_again()
        super().run()
        if not self.editable_mode:
            for place, source in interface_files().items():
                target = os.path.join(self.build_lib, place)
                self.mkpath(os.path.dirname(target))
                self.copy_file(source, target)

    def drop_what_is_not_built_again(self) -> None:
        """Delete all files in the build's copy of the package, except compiled kernels that have a source."""
        kernels = compiled_modules()
        for old in Path(self.build_lib, "tmfcore").rglob("*"):
            module = old.relative_to(self.build_lib).with_name(old.name.partition(".")[0])
            if old.is_file() and not (old.suffix in (".so", ".pyd") and module in kernels):
                old.unlink()

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        headers = [] if self.editable_mode else interface_files()
        return super().get_outputs(include_bytecode) + [os.path.join(self.build_lib, name) for name in headers]

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *interface_files().values()]


def shared_extension() -> Extension:
    """The module of what Cython would otherwise write into every kernel that has memoryviews."""
    path = Path(GENERATED, *SHARED.split(".")).with_suffix(".c")
    return Extension(SHARED, [str(path)], define_macros=MACROS, py_limited_api=ABI3)


def kernel_extensions() -> list[Extension]:
    """The kernels, with their .pyx files as sources."""
    numpy_folder = Path(np.get_include()).parents[1]
    library_dirs = [str(numpy_folder / "random" / "lib"), str(Path(np.get_include()).parent / "lib")]
    return [
        Extension(
            ".".join(source.with_suffix("").parts),
            [str(source)],
            include_dirs=[np.get_include(), str(KERNELS), "."],
            library_dirs=library_dirs,
            libraries=["npyrandom", "npymath"] + ([] if sys.platform == "win32" else ["m"]),
            define_macros=MACROS,
            depends=["setup.py", *sorted(str(path) for path in named_by(source))],
            py_limited_api=ABI3,
        )
        for source in sorted(KERNELS.rglob("*.pyx"))
    ]


def write_shared(path: Path) -> None:
    """Have Cython write that module, unless it is there."""
    if path.exists():
        return
    from Cython.Build import SharedModule
    from Cython.Compiler.Options import CompilationOptions

    path.parent.mkdir(parents=True, exist_ok=True)
    options = CompilationOptions(shared_c_file_path=str(path), module_name=SHARED)
    errors, _ = SharedModule.generate_shared_module(options)
    if errors:
        raise SystemExit(f"Cython cannot write {SHARED}: {errors}")


#: A function that Cython writes for Python, or for itself: its prototype or its head.
GLUE = re.compile(
    r"^static (?!CYTHON_|TMF_|Py\w+Def|PyTypeObject)(?P<type>[\w ]+[ *]+)"
    r"(?P<name>(?:__pyx_(?:p[fw]|f|tp|[gs]etprop)_|__Pyx_|__pyx_memoryview|__pyx_array)\w*)\(",
    re.MULTILINE,
)
HEAD = re.compile(r"^static [^;{}=]*?(\w+)\([^;{}]*\) \{$", re.MULTILINE)
MARKS = """\
#if defined(__GNUC__)
#define TMF_GLUE __attribute__((cold))
#define TMF_LOOP __attribute__((hot))
#else
#define TMF_GLUE
#define TMF_LOOP
#endif
"""


def mark_glue(source: Path) -> None:
    """Have the compiler make Cython's glue small, and only loops fast: a fifth less time, a seventh less size.

    Loops are in functions that let go of the interpreter's lock, and in those that have no Python name (``__pyx_f_``).
    They are marked, too: what is called by cold functions alone is cold otherwise.
    """
    first, text = source.read_text(encoding="utf-8").split("\n", 1)  # Cython knows its files by their first line
    if text.startswith(MARKS):
        return
    _, *functions = HEAD.split(text)  # name, body, name, body, ...
    loops = {name for name, body in zip(functions[::2], functions[1::2], strict=True) if "PyEval_SaveThread" in body}

    def marked(found: re.Match[str]) -> str:
        loop = found["name"] in loops or found["name"].startswith("__pyx_f_")
        return f"static {'TMF_LOOP' if loop else 'TMF_GLUE'} {found['type']}{found['name']}("

    source.write_text(f"{first}\n{MARKS}{GLUE.sub(marked, text)}", encoding="utf-8")


def extensions() -> list[Extension]:
    """All modules, with C files as sources: Cython writes those that are older than what they are made from."""
    from Cython.Build import cythonize  # slow to load; pip calls this file twice without it

    if sys.platform == "linux":  # where it is safe, and workers need not import this file again
        multiprocessing.set_start_method("fork", force=True)
    kernels = cythonize(
        kernel_extensions(), compiler_directives=DIRECTIVES, build_dir=GENERATED, annotate=ANNOTATE,
        nthreads=2 if sys.platform == "linux" else 0, shared_utility_qualified_name=SHARED,
    )  # fmt: skip
    shared = shared_extension()
    write_shared(Path(shared.sources[0]))
    found = [shared, *kernels]
    if not (DEBUG or TRACE):
        for extension in found:
            mark_glue(Path(extension.sources[0]))
    return found


if __name__ == "__main__":
    setup(
        ext_modules=[shared_extension(), *kernel_extensions()],
        cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
        options={
            "build": {"build_base": f"build/{VARIANT}"},
            "build_ext": {"parallel": 2},
            "bdist_wheel": {"py_limited_api": "cp311"} if ABI3 else {},
        },
    )
