"""What verbs return: one base, in which a result declares its facts, its table and its picture, and nothing else.

    class Flow(Result[Literal["lines", "heat"]]):     a frozen dataclass; the first kind of picture is the default
        SHAPES                                        dimensions of its arrays, from which its table follows
        _facts(), _axes(), _title(), _picture()       what its line says, coordinates, and how it is drawn

From these come repr, equals, save, load, to_pandas, to_polars, to_xarray, plot, and what a notebook shows.
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

__all__ = ["Result", "load"]

Kind = TypeVar("Kind", bound=str)

#: Dimensions of tables by the letters of SHAPES.
DIMENSIONS = {
    "R": "replica", "J+1": "step", "T+1": "step", "J": "interval", "T": "interval", "S": "observation", "A": "action",
    "S'": "next_observation", "S''": "corner", "L": "stage", "N": "agent", "K": "successor",
}  # fmt: skip
WIDTH = 300  # pixels of the picture in a notebook, drawn at twice as many
INCHES = (4.6, 3.1)


class Result(Tabular, Record, Generic[Kind]):
    """Base of what verbs return."""

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
            Which picture, one of the class's KINDS; its own page says what they show. None: the first.
        label : str or None, optional
            What the legend says of it, before what each line is where there are several: for pictures laid over each
            other with `ax`. Not for pictures that are a scale of colours.
        color : str or None, optional
            One colour for all lines, as matplotlib takes it. None: those that follow what is drawn already. Not for
            pictures that are a scale of colours.
        title : str or None, optional
            None: what was played.
        ax : matplotlib Axes or None, optional
            Where to draw; None: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not there.
        ValueError
            An unknown kind, one that does not fit the result, or nothing to draw.
        """
        return self._drawn(kind, label=label, color=color, title=title, ax=ax)

    def _drawn(self, kind: str | None, **style: Any) -> Axes:
        """The picture of a kind, checked; more options go to `_picture` as they are."""
        kind = self.KINDS[0] if kind is None else check.as_choice(kind, "kind", self.KINDS)
        title = style.pop("title")
        return self._picture(kind, title=self._title() if title is None else check.as_string(title, "title"), **style)

    def _picture(self, kind: Any, **style: Any) -> Axes:
        raise NotImplementedError

    def _title(self) -> str:
        """What was played, as far as the result knows."""
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
        """The picture as a PNG in base 64; empty where there is nothing to draw, or nothing to draw with."""
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
        """The arrays of SHAPES over their dimensions, and numbers and texts about the whole."""
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
        """The arrays of the table, but those that are coordinates, with their dimensions."""
        found = {name: getattr(self, name) for name in self.SHAPES if name != "steps"}
        return {
            name: (tuple(DIMENSIONS[letter] for letter in self.SHAPES[name].split()), value)
            for name, value in found.items()
            if isinstance(value, np.ndarray)
        }

    def _axes(self) -> dict[str, tuple[str, npt.NDArray[Any]]]:
        """Coordinates: name -> (dimension, values); that of a dimension has its name."""
        return {}

    # ---------------------------------------------------------------------------------------------------- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to `path` (npz, without pickle), whole or not at all; `tmf.load` reads it.

        Parameters
        ----------
        path : path
            Taken as it is: nothing is appended to its name.

        Raises
        ------
        OSError
            The folder is missing or cannot be written to.
        TypeError
            It holds what no file can.
        """
        arrays: dict[str, npt.NDArray[Any]] = {}
        files.save_npz(path, arrays, packing.pack(self, "", arrays))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The result of this class that `save` wrote to `path`.

        Raises
        ------
        FileError
            A ValueError: the file is damaged, of another kind or another format, and named.
        OSError
            It cannot be read.
        TypeError, ValueError
            `path` is no path.
        """
        made: Self = _read(path, cls.__name__)
        return made


def load(path: str | os.PathLike[str]) -> Any:
    """Whatever was saved to a file: any result, or a policy.

    Parameters
    ----------
    path : path
        Written by `save`.

    Returns
    -------
    Flow, Simulation, Solution, TabularPolicy, ...
        An object of the class that was saved.

    Raises
    ------
    FileError
        A ValueError: the file is damaged, of another format, or none of tmfcore, and named.
    OSError
        It cannot be read.
    TypeError, ValueError
        `path` is no path.

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
    """What a file holds; that it does not fit together is a FileError like the others."""
    arrays, header = files.load_npz(path, kind)
    try:
        return packing.unpack({name: header[name] for name in ("kind", "state")}, arrays)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        found = header["kind"]
        raise files.FileError(
            f"{os.fspath(path)!r} holds no {found} of this version ({error}); must be a saved {found}"
        ) from error
