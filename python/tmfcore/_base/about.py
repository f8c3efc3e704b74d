"""Facts about this installation: versions, build switches, and the folders of its headers and .pxd files."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def build_info() -> dict[str, Any]:
    """Versions and build switches of this installation, as `tmfcore info` prints them.

    Returns
    -------
    dict
        "tmfcore", "python", "numpy", "scipy", "platform": str; and the switches the kernels were compiled with.
    """
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from tmfcore._base.build import build_info as compiled

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    return {
        "tmfcore": installed("tmfcore"),
        "python": platform.python_version(),
        "numpy": installed("numpy"),
        "scipy": installed("scipy"),
        "platform": platform.platform(),
        **compiled(),
    }


def get_include() -> str:
    """The folder with tmfcore's C headers, for `include_dirs` of an extension that cimports tmfcore."""
    return str(_sources())


def get_cython_path() -> str:
    """The folder in which Cython finds `tmfcore/*.pxd`, for `cythonize(..., include_path=[...])`.

    Needed for an editable install only: Cython finds the .pxd files of an installed wheel by itself.
    """
    return str(_sources().parent)


def _sources() -> Path:
    """The folder of the .pxd and .h files: the package itself, or the source folder of an editable install."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package, package.parents[1] / "tmfcore"):
        if (folder / "_model/model.pxd").is_file():
            return folder
    raise FileNotFoundError(f"no .pxd files of tmfcore in {package}; the installation is incomplete: install it again")
