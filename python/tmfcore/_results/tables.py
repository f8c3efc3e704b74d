"""Results as tables of other libraries: xarray, pandas and polars, each loaded when it is asked for (extra `tables`).

A result is described once, as a Table: named dimensions, coordinates along them, and variables over them.

    Table.to_xarray()        a Dataset; NetCDF and zarr come through it
    Table.to_pandas()        a DataFrame, one row for each cell of the dimensions; Parquet comes through it
    Table.to_polars()        the same for polars

Dimensions have the same names everywhere: replica, step, observation, action, iteration. Variables of different
dimensions (counts at the ends of an interval, rewards over it) share the rows of a frame by name of their dimensions,
so that `kind` chooses which of them a frame holds.
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
    """What a result holds, in names.

    Parameters
    ----------
    coordinates : mapping of str to (n,) arrays
        The values along each dimension, in the order of dimensions.
    variables : mapping of str to (dimensions, array)
    default : str
        The variable whose dimensions a frame takes unless told.
    along : mapping of str to (dimension, (n,) array)
        Further coordinates along a dimension: time in sweeps along steps.
    attributes : mapping of str to str, int or float
        About the result as a whole.
    """

    coordinates: Mapping[str, npt.NDArray[Any]]
    variables: Mapping[str, Variable]
    default: str
    along: Mapping[str, tuple[str, npt.NDArray[Any]]] = field(default_factory=dict)
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)

    def __or__(self, other: Table) -> Table:
        """Both; what they share is that of `other`, whose default and attributes come first."""
        return Table(
            {**self.coordinates, **other.coordinates}, {**self.variables, **other.variables}, other.default,
            {**self.along, **other.along}, {**self.attributes, **other.attributes},
        )  # fmt: skip

    def to_xarray(self) -> xarray.Dataset:
        """The whole as a Dataset; arrays are not copied."""
        xr = _library("xarray")
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
    """Ways out into tables of what says, in `_table`, what it holds."""

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
        """The result as a pandas DataFrame, one row a cell (extra `tables`).

        Parameters
        ----------
        kind : str or None, optional
            A variable of `to_xarray()`: the frame holds it and all that have its dimensions. None: the main one.

        Returns
        -------
        pandas.DataFrame
            Labels are categories; `.to_parquet(path)` writes it.

        Raises
        ------
        ImportError
            pandas is not installed.
        ValueError
            Not a variable of this result.
        """
        pd = _library("pandas")
        columns: dict[str, Any] = {}
        for name, values in self._table().columns(kind).items():
            text = values.dtype.kind == "U"
            columns[name] = pd.Categorical(values, categories=_in_order(values)) if text else values
        made: pandas.DataFrame = pd.DataFrame(columns)
        return made

    def to_polars(self, kind: str | None = None) -> polars.DataFrame:
        """The result as a polars DataFrame, one row a cell (extra `tables`).

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
            Not a variable of this result.
        """
        pl = _library("polars")
        columns: dict[str, Any] = {}
        for name, values in self._table().columns(kind).items():
            text = values.dtype.kind == "U"
            columns[name] = pl.Series(name, values.tolist(), dtype=pl.Enum(_in_order(values))) if text else values
        made: polars.DataFrame = pl.DataFrame(columns)
        return made


def _in_order(values: npt.NDArray[Any]) -> list[str]:
    """The different texts, in the order in which they come."""
    return list(dict.fromkeys(values.tolist()))


def labels_or_numbers(labels: tuple[str, ...], n: int) -> npt.NDArray[Any]:
    """Labels of a dimension as an array; numbers, as integers, where there are no others."""
    if not labels or labels == tuple(map(str, range(n))):
        return np.arange(n)
    return np.array(labels)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not installed: pip install 'tmfcore[tables]' ({error})") from error
