"""Common parts of all pictures: figures without pyplot, colours, ticks, grid, title and legend."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from tmfcore._base import files
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import fits_memory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito (2008), without the yellow, which is too pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GUIDE = "#666666"
DPI = 150
LOWEST_DPI = 10  # letters are then a pixel high; FreeType refuses smaller ones
#: Up to this ratio high / low of a logarithmic axis 1, 2 and 5 of each decade are labelled, beyond it powers of ten.
DECADES = 1e3
SUPERSCRIPTS = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


def figure(
    columns: int,
    rows: int = 1,
    *,
    width: float = 4.8,
    height: float = 3.6,
    title: str = "",
    share_y: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Return a new figure and its ``rows * columns`` Axes, row by row; `width` and `height` in inches for one panel.

    What you draw on them yourself gets the colours of ``PALETTE``.

    Raises
    ------
    ImportError
        matplotlib (extra ``app``) is not installed.
    """
    columns, rows = check.as_positive_int(columns, "columns", high=100), check.as_positive_int(rows, "rows", high=100)
    width = check.as_float(width, "width", low=0.1, high=100.0)
    height = check.as_float(height, "height", low=0.1, high=100.0)
    text(title, "title")
    share_y = check.as_bool(share_y, "share_y")
    need_matplotlib()
    from tmfcore.plotting._shown import ShownAxes, ShownFigure

    new = ShownFigure(figsize=(width * columns, height * rows), layout="constrained")
    if title:
        new.suptitle(title, fontsize=12)
    panels = new.subplots(
        rows, columns, squeeze=False, sharey="row" if share_y else False, subplot_kw={"axes_class": ShownAxes}
    )
    for ax in panels.ravel():
        ax.set_prop_cycle(color=PALETTE)
    return new, list(panels.ravel())


def need_matplotlib() -> None:
    """Raise an ImportError that names the extra if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401  # only whether it is installed
    except ImportError:
        raise ImportError("pictures need matplotlib: pip install 'tmfcore[app]'") from None


@fits_memory("dpi or the picture must be smaller")
def save(picture: Figure | Axes, path: str | os.PathLike[str], *, dpi: int = DPI) -> None:
    """Write a figure, or the whole figure of an Axes, to `path` as PNG, atomically.

    Raises
    ------
    OSError
        The folder does not exist or cannot be written to.
    MemoryError
        The picture has too many pixels.
    """
    need_matplotlib()
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    check.as_instance(picture, "picture", (Figure, Axes))
    dpi = check.as_int(dpi, "dpi", low=LOWEST_DPI, high=10_000)
    whole = picture.get_figure(root=True)
    if whole is None:
        raise ValueError("picture is not in a figure; must be Axes of a figure")
    with files.replacing(path) as file:
        whole.savefig(file, dpi=dpi, format="png")


def text(value: object, name: str) -> str:
    """`value` if it is a string that matplotlib can draw, mathematics between dollar signs included."""
    string = check.as_string(value, name)
    try:
        string.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is {say.short(ascii(string))}; must be text that can be drawn") from None
    if "$" in string:
        need_matplotlib()
        from matplotlib.cbook import is_math_text
        from matplotlib.mathtext import MathTextParser

        try:
            if is_math_text(string):
                MathTextParser("path").parse(string)
        except ValueError:
            raise ValueError(
                f"{name} is {say.short(repr(string))}; must be text, or mathematics between dollar signs "
                r"(\$ is a dollar)"
            ) from None
    return string


def axes(ax: Axes | None, *, width: float = 4.8, height: float = 3.6) -> Axes:
    """Return `ax`, or the only Axes of a new figure of `width` by `height` inches."""
    if ax is None:
        return figure(1, width=width, height=height)[1][0]
    need_matplotlib()
    from matplotlib.axes import Axes

    return check.as_instance(ax, "ax", Axes)


def marker_of(k: int) -> str:
    """Return the k-th marker; markers repeat with other colours of the palette."""
    return MARKERS[(k + k // len(PALETTE)) % len(MARKERS)]


def style_of(label: object, color: object) -> None:
    """Refuse a label or a colour that cannot be drawn."""
    if label is not None:
        text(label, "label")
    if color is not None:
        need_matplotlib()
        from matplotlib.colors import is_color_like

        numbers = isinstance(color, (tuple, list)) and all(isinstance(part, (int, float)) for part in color)
        if not (isinstance(color, str) or numbers) or not is_color_like(color):
            raise ValueError(f"color is {say.show(color)}; must be a colour of matplotlib, such as 'C0' or '#0072B2'")


def no_style(label: object, color: object) -> None:
    """Refuse label and color, for pictures that are colour maps."""
    for name, value in (("label", label), ("color", color)):
        if value is not None:
            raise ValueError(f"{name} is {say.show(value)}; must be None, since the picture is a colour map")


def named(label: str | None, name: str) -> str:
    """Name of one of several lines in a legend."""
    return f"{label}: {name}" if label else name


def drawn_already(ax: Axes) -> int:
    """Number of named lines on the Axes, without guides."""
    from matplotlib.container import ErrorbarContainer

    bars = [box[0] for box in ax.containers if isinstance(box, ErrorbarContainer)]
    alone = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_") and line not in bars]
    return len(bars) + sum(line.get_color() != GUIDE for line in alone)


def ordered_colors(n: int, color: str | None = None, first: int = 0) -> list[Any]:
    """Return n colours: `color` for all, else the palette from `first` on; for large n viridis without its pale end."""
    if color is not None:
        return [color] * n
    if n <= len(PALETTE):
        return [PALETTE[(first + k) % len(PALETTE)] for k in range(n)]
    from matplotlib import colormaps

    return [np.asarray(rgba) for rgba in colormaps["viridis"](np.linspace(0.0, 0.92, n))]


def laid_over(
    ax: Axes | None, n: int, label: object, color: str | None, *, width: float = 4.8
) -> tuple[Axes, int, list[Any]]:
    """The Axes for n more lines, the number of lines drawn already, and a colour for each; checks label and color."""
    style_of(label, color)
    ax = axes(ax, width=width)
    first = drawn_already(ax)
    return ax, first, ordered_colors(n, color, first)


def log_ticks(ax: Axes, unit: str = "") -> None:
    """Label a logarithmic y axis after drawing: at 1, 2 and 5 of each decade, or at powers of ten if there are many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = ax.get_ylim()
    few = high < DECADES * low
    ax.yaxis.set_major_locator(LogLocator(base=10.0, subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value) + unit))
    ax.yaxis.set_minor_locator(NullLocator())


def time_label(unit: str) -> str:
    """Return the label of a time axis."""
    return f"time ({unit})"


def plain_number(value: float) -> str:
    """Return 0.02 or 50 as they are, and very small or large numbers with a power of ten: 2\u00b710\u207b\u2075."""
    if value == 0 or 1e-4 < abs(value) < 1e6:
        return f"{value:g}"
    digits, _, power = f"{value:.2e}".partition("e")
    ten = "10" + str(int(power)).translate(SUPERSCRIPTS)
    return ten if float(digits) == 1 else f"{float(digits):g}\u00b7{ten}"


def finish(ax: Axes, title: str, *, legend: bool = True) -> Axes:
    """Set grid, spines, title and legend, the same in every picture."""
    text(title, "title")
    ax.grid(visible=True, which="major", axis="y", color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if title:
        ax.set_title(title, fontsize=10.5, loc="left")
    if legend:
        ax.legend(frameon=False, fontsize=9)
    return ax
