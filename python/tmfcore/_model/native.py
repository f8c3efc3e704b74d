"""Compiled functions of numba, ctypes, cffi and scipy, converted to the arguments of CompiledModel.

    row_function(function, user_data, owner) -> (function, user_data, owner)

A numba CFunc, a ctypes function and a cffi function are converted by scipy.LowLevelCallable, which reads their types.
"""

from __future__ import annotations

from typing import Any

from tmfcore._base import validation as check
from tmfcore._model.compiled_model import ROW_SIGNATURES

__all__ = ["row_function"]


def row_function(function: Any, user_data: int | None, owner: object) -> tuple[Any, int | None, object]:
    """`function` as a tuple with a capsule, a capsule or an address; and the objects that must be kept alive with it.

    Raises
    ------
    TypeError
        Any other object, for example a Python function.
    ValueError
        An integer that is not an address; a ctypes function whose types were not declared.
    """
    inside = tuple.__getitem__(function, 0) if isinstance(function, tuple) and function else function
    if type(inside).__name__ == "PyCapsule":
        return function, user_data, owner
    if isinstance(function, int) and not isinstance(function, bool):
        return check.as_int(function, "function", low=0), user_data, owner  # CompiledModel refuses 0
    if hasattr(function, "address") and hasattr(function, "ctypes"):  # numba.core.ccallback.CFunc
        native = function.ctypes
    elif hasattr(function, "argtypes") and hasattr(function, "restype"):  # ctypes
        if function.argtypes is None:
            raise ValueError(
                "function is a ctypes function without argtypes; must declare them (and restype): "
                + ROW_SIGNATURES[1]
            )
        native = function
    elif type(function).__module__.partition(".")[0] == "_cffi_backend":  # cffi
        native = function
    else:
        kind = "a Python function" if callable(function) else f"a {type(function).__name__}"
        hint = "; Game(...) takes Python functions of mu" if callable(function) else ""
        raise TypeError(
            f"function is {kind}; must be a scipy.LowLevelCallable, a numba cfunc, a ctypes or cffi function, "
            f"a PyCapsule, or the address of a C function as an int{hint}"
        )
    from scipy import LowLevelCallable  # takes as long to import as numpy

    return LowLevelCallable(native), user_data, (function, owner)
