"""Results as tables of xarray, pandas and polars (extra `tables`), each imported at first use.

A result describes itself once, as a Table: named dimensions, coordinates along them, and variables over them.

    Tabular.to_xarray()      a Dataset, which can be written as NetCDF or zarr
    Tabular.to_pandas()      a DataFrame with a row for each combination of coordinates, which can be written as Parquet
    Tabular.to_polars()      the same for polars

Dimensions have the same names in all results: replica, step, observation, action, iteration. A frame holds the
variables over one set of dimensions; `kind` names one of them (for example counts, or rewards of intervals).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check

if TYPE_CHECKING:
    import pandas
    import polars
    import xarray

__all__ = ["Table", "Tabular", "Variable"]

Variable = tuple[tuple[str, ...], npt.NDArray[Any]]


@dataclass(frozen=True)
class Table:
    """The data of a result with named dimensions.

    Parameters
    ----------
    coordinates : mapping of str to (n,) arrays
        The values along each dimension, in the order of dimensions.
    variables : mapping of str to (dimensions, array)
    default : str
        The variable that sets the dimensions of a frame by default.
    along : mapping of str to (dimension, (n,) array)
        Further coordinates along a dimension, for example time in sweeps along steps.
    attributes : mapping of str to str, int or float
        Facts about the whole result.
    """

    coordinates: Mapping[str, npt.NDArray[Any]]
    variables: Mapping[str, Variable]
    default: str
    along: Mapping[str, tuple[str, npt.NDArray[Any]]] = field(default_factory=dict)
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)

    def __or__(self, other: Table) -> Table:
        """Both tables merged; entries, default and attributes of `other` take precedence."""
        return Table(
            {**self.coordinates, **other.coordinates}, {**self.variables, **other.variables}, other.default,
            {**self.along, **other.along}, {**self.attributes, **other.attributes},
        )  # fmt: skip

    def to_xarray(self) -> xarray.Dataset:
        """The table as a Dataset; arrays are not copied."""
        xr = library("xarray")
        used = {dim for dims, _ in self.variables.values() for dim in dims}
        coordinates: dict[str, Any] = {name: values for name, values in self.coordinates.items() if name in used}
        coordinates |= {name: (dim, values) for name, (dim, values) in self.along.items() if dim in used}
        made: xarray.Dataset = xr.Dataset(dict(self.variables), coords=coordinates, attrs=dict(self.attributes))
        return made

    def columns(self, kind: str | None) -> dict[str, npt.NDArray[Any]]:
        """Columns of equal length: coordinates, then every variable over the dimensions of variable `kind`."""
        kind = self.default if kind is None else check.as_choice(kind, "kind", tuple(self.variables))
        dims = self.variables[kind][0]
        sizes = tuple(len(self.coordinates[dim]) for dim in dims)
        columns: dict[str, npt.NDArray[Any]] = {}
        for axis, dim in enumerate(dims):
            shape = tuple(-1 if k == axis else 1 for k in range(len(dims)))
            for name, values in self._of(dim).items():
                columns[name] = np.broadcast_to(values.reshape(shape), sizes).reshape(prod(sizes))
        for name, (own, array) in self.variables.items():
            if own == dims:
                columns[name] = array.reshape(prod(sizes))
        return columns

    def _of(self, dim: str) -> dict[str, npt.NDArray[Any]]:
        more = {name: values for name, (other, values) in self.along.items() if other == dim}
        return {dim: self.coordinates[dim], **more}


class Tabular:
    """Adds conversions to other libraries to a class with a method `_table`."""

    def _table(self) -> Table:
        raise NotImplementedError

    def to_xarray(self) -> xarray.Dataset:
        """The result as an xarray Dataset with named dimensions, labels and times (extra `tables`).

        Returns
        -------
        xarray.Dataset
            `.to_netcdf(path)` writes it.

        Raises
        ------
        ImportError
            xarray is not installed.
        """
        return self._table().to_xarray()

    def to_pandas(self, kind: str | None = None) -> pandas.DataFrame:
        """The result as a pandas DataFrame, one row for each combination of coordinates (extra `tables`).

        Parameters
        ----------
        kind : str or None, optional
            A variable of `to_xarray()`: the frame has this variable and all others with the same dimensions. None: the
            main variable.

        Returns
        -------
        pandas.DataFrame
            Labels are categoricals; `.to_parquet(path)` writes it.

        Raises
        ------
        ImportError
            pandas is not installed.
        ValueError
            `kind` is not a variable of this result.
        """
        pd = library("pandas")
        columns: dict[str, Any] = {}
        for name, values in self._table().columns(kind).items():
            text = values.dtype.kind == "U"
            columns[name] = pd.Categorical(values, categories=_in_order(values)) if text else values
        made: pandas.DataFrame = pd.DataFrame(columns)
        return made

    def to_polars(self, kind: str | None = None) -> polars.DataFrame:
        """The result as a polars DataFrame, one row for each combination of coordinates (extra `tables`).

        Parameters
        ----------
        kind : str or None, optional
            As in to_pandas.

        Returns
        -------
        polars.DataFrame
            `.write_parquet(path)` writes it.

        Raises
        ------
        ImportError
            polars is not installed.
        ValueError
            `kind` is not a variable of this result.
        """
        pl = library("polars")
        columns: dict[str, Any] = {}
        for name, values in self._table().columns(kind).items():
            text = values.dtype.kind == "U"
            columns[name] = pl.Series(name, values.tolist(), dtype=pl.Enum(_in_order(values))) if text else values
        made: polars.DataFrame = pl.DataFrame(columns)
        return made


def _in_order(values: npt.NDArray[Any]) -> list[str]:
    """The distinct strings, in order of first occurrence."""
    return list(dict.fromkeys(values.tolist()))


def labels_or_numbers(labels: tuple[str, ...], n: int) -> npt.NDArray[Any]:
    """Labels of a dimension as an array of strings; integers if the labels are the default numbers."""
    if not labels or labels == tuple(map(str, range(n))):
        return np.arange(n)
    return np.array(labels)


def library(name: str) -> Any:
    """A library of the extra `tables`, or an ImportError that names the extra."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not installed: pip install 'tmfcore[tables]' ({error})") from error
