"""Base class of all results. A result class declares its facts, its table and its pictures only:

    class Flow(Result[Literal["lines", "heat"]]):     a frozen dataclass; the first kind of picture is the default
        SHAPES                                        dimensions of its arrays, from which its table is made
        _facts(), _axes(), _title(), _picture()       facts for repr, coordinates, title and picture

From these come repr, equals, save, load, to_pandas, to_polars, to_xarray, plot, and the view in notebooks.
"""

from __future__ import annotations

import base64
import html
import io
import os
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, get_args, get_origin

import numpy as np
import numpy.typing as npt

from tmfcore._base import files
from tmfcore._base import validation as check
from tmfcore._results import packing
from tmfcore._results.records import Record, worded
from tmfcore._results.tables import Table, Tabular, Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Result", "Saved", "load"]

Kind = TypeVar("Kind", bound=str)

#: Dimensions of tables by the letters of SHAPES.
DIMENSIONS = {
    "R": "replica", "J+1": "step", "T+1": "step", "J": "interval", "T": "interval", "S": "observation", "A": "action",
    "S'": "next_observation", "S''": "corner", "L": "stage", "N": "agent", "K": "successor",
    "E": "link", "P": "path", "P+1": "path_start", "I": "iteration",
}  # fmt: skip
WIDTH = 300  # pixels of the picture in a notebook, drawn at twice as many
INCHES = (4.6, 3.1)


class Saved:
    """Whatever is written to files: `packing.known` classes, by their `_state()` or fields."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write this object to `path` (npz, without pickle), atomically; `load` of its class reads it.

        Parameters
        ----------
        path : path
            The file; nothing is appended to its name.

        Raises
        ------
        OSError
            The folder does not exist or cannot be written to.
        TypeError
            A part has a value that cannot be saved, such as the state of a random generator of another package.
        """
        arrays: dict[str, npt.NDArray[Any]] = {}
        files.save_npz(path, arrays, packing.pack(self, "", arrays))


class Result(Tabular, Saved, Record, Generic[Kind]):
    """Base of all results."""

    #: Kinds of pictures, the default first.
    KINDS: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in getattr(cls, "__orig_bases__", ()):
            if get_origin(base) is Result and get_args(get_args(base)[0]):
                cls.KINDS = get_args(get_args(base)[0])

    # ------------------------------------------------------------------------------------------------- pictures

    def plot(
        self,
        kind: Kind | None = None,
        *,
        label: str | None = None,
        color: str | None = None,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the result.

        Parameters
        ----------
        kind : str or None, optional
            The kind of picture, one of the class's KINDS, which its own docstring describes. None: the first.
        label : str or None, optional
            Name in the legend, for results drawn over each other with `ax`; if there are several lines it is put before
            the name of each. Not for colour maps.
        color : str or None, optional
            One colour for all lines, in any form that matplotlib accepts. None: the next colours of the axes. Not for
            colour maps.
        title : str or None, optional
            None: the names of game and schedule.
        ax : matplotlib Axes or None, optional
            The axes to draw on; None: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not installed.
        ValueError
            An unknown kind, one that does not fit the result, or nothing to draw.
        """
        return self._drawn(kind, label=label, color=color, title=title, ax=ax)

    def _drawn(self, kind: str | None, **style: Any) -> Axes:
        """Check kind and title, and draw; other options are passed to `_picture`."""
        kind = self.KINDS[0] if kind is None else check.as_choice(kind, "kind", self.KINDS)
        title = style.pop("title")
        return self._picture(kind, title=self._title() if title is None else check.as_string(title, "title"), **style)

    def _picture(self, kind: Any, **style: Any) -> Axes:
        raise NotImplementedError

    def _title(self) -> str:
        """Names of game and schedule, as far as the result has them."""
        parts = [getattr(self, name, None) for name in ("game", "schedule")]
        return ", ".join(part for part in parts if isinstance(part, str) and part)

    def _repr_html_(self) -> str:
        """What a notebook shows: the picture, 300 pixels wide, and the facts; without matplotlib the facts."""
        image = self._image()
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(worded(value))}</td></tr>"
            for name, value in self._facts()
            if value is not None
        )
        drawn = f"<td><img width='{WIDTH}' alt='' src='data:image/png;base64,{image}'></td>" if image else ""
        name = type(self).__name__
        return f"<table><tr><th colspan='2'>{name}</th></tr><tr><td><table>{rows}</table></td>{drawn}</tr></table>"

    def _image(self) -> str:
        """The picture as a PNG in base 64; empty if there is nothing to draw, or matplotlib is not installed."""
        from tmfcore import plotting

        try:
            figure, panels = plotting.figure(1, width=INCHES[0], height=INCHES[1])
            self.plot(ax=panels[0])
        except (ImportError, ValueError):
            return ""
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=2 * WIDTH / INCHES[0])
        return base64.b64encode(png.getvalue()).decode("ascii")

    # --------------------------------------------------------------------------------------------------- tables

    def _table(self) -> Table:
        """The arrays of SHAPES over their dimensions; numbers and strings become attributes."""
        variables = self._variables()
        known = self._axes()
        sizes = {dim: n for dims, array in variables.values() for dim, n in zip(dims, array.shape, strict=True)}
        state = {name: getattr(self, name) for name in self._names()}
        about = {name: value for name, value in state.items() if isinstance(value, (str, int, float))}
        about = {name: int(value) if isinstance(value, bool) else value for name, value in about.items()}
        if not variables:
            variables = {name: ((), np.asarray(value)) for name, value in about.items()}
            about = {}
        coordinates = {dim: known[dim][1] if dim in known else np.arange(n) for dim, n in sizes.items()}
        along = {name: where for name, where in known.items() if name not in sizes and where[0] in sizes}
        return Table(coordinates, variables, next(iter(variables)), along, about)

    def _variables(self) -> dict[str, Variable]:
        """The arrays of the table with their dimensions, without coordinates."""
        found = {name: getattr(self, name) for name in self.SHAPES if name != "steps"}
        return {
            name: (tuple(DIMENSIONS[letter] for letter in self.SHAPES[name].split()), value)
            for name, value in found.items()
            if isinstance(value, np.ndarray)
        }

    def _axes(self) -> dict[str, tuple[str, npt.NDArray[Any]]]:
        """Coordinates: name -> (dimension, values); the main coordinate of a dimension has the same name."""
        return {}

    # ---------------------------------------------------------------------------------------------------- files

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The result of this class that `save` wrote to `path`.

        Raises
        ------
        FileError
            A ValueError that names the file: it is damaged, of another class or format, or not from tmfcore. If it does
            not exist or cannot be read, the error is a FileNotFoundError or another OSError, too.
        MemoryError
            It does not fit in memory.
        TypeError, ValueError
            `path` is not a path.
        """
        made: Self = _read(path, cls.__name__)
        return made


def load(path: str | os.PathLike[str]) -> Any:
    """Load any saved result or policy from a file.

    Parameters
    ----------
    path : path
        A file written by `save`.

    Returns
    -------
    Flow, Simulation, Solution, TabularPolicy, ...
        An object of the class that was saved.

    Raises
    ------
    FileError
        A ValueError that names the file: it is damaged, of another class or format, or not from tmfcore. If it does not
        exist or cannot be read, the error is a FileNotFoundError or another OSError, too.
    MemoryError
        It does not fit in memory.
    TypeError, ValueError
        `path` is not a path.

    Examples
    --------
    >>> import tempfile, tmfcore as tmf
    >>> game = tmf.games.left_right()
    >>> flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     flow.save(f"{folder}/flow.npz")
    ...     tmf.load(f"{folder}/flow.npz").equals(flow)
    True
    """
    return _read(path, None)


def _read(path: str | os.PathLike[str], kind: str | None) -> Any:
    """The object in a file; if its parts do not fit together, a FileError."""
    arrays, header = files.load_npz(path, kind)
    found = header["kind"]
    with files.reading(path, f"a saved {found}", f"does not hold a {found} of this version ({{error}})"):
        made = packing.unpack({name: header[name] for name in ("kind", "state")}, arrays)
        return made._with_parts(path, header["parts"]) if "parts" in header else made  # of ranks, in files of their own
