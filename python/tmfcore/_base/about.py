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
    """The folder with tmfcore's C headers, for `include_dirs` of an extension that cimports tmfcore.

    It has what the names of `tmfcore.cython_api` need, under the name of the package: `#include "tmfcore/..."`.
    """
    package, root = _places()
    return str(root if package is None else package / "include")


def get_cython_path() -> str:
    """The folder in which Cython finds `tmfcore/*.pxd`, for `cythonize(..., include_path=[...])`.

    Needed for an editable install only: Cython finds the .pxd files of an installed wheel by itself.
    """
    package, root = _places()
    return str(root if package is None else package.parent)


def _places() -> tuple[Path | None, Path]:
    """The package with its own .pxd files; or None, and the folder of the sources of an editable install."""
    package = Path(__file__).resolve().parents[1]
    root = package.parents[1]
    if (package / "cython_api.pxd").is_file():
        return package, root
    if (root / "tmfcore" / "cython_api.pxd").is_file():
        return None, root
    raise FileNotFoundError(f"no .pxd files of tmfcore in {package}; the installation is incomplete: install it again")
