"""Figures and Axes that a notebook shows as a picture where they are the last value of a cell, without pyplot.

Only these: Axes of the user's own figures stay as they are, since pyplot shows them itself. No figure is registered
anywhere, so each is freed with the last reference to it.
"""

from __future__ import annotations

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["ShownAxes", "ShownFigure"]

INCH = 80  # pixels of an inch on the page; the picture has twice as many, for dense screens


class ShownFigure(Figure):
    """A matplotlib Figure with a PNG for notebooks."""

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=2 * INCH)
        width, height = self.get_size_inches()
        return png.getvalue(), {"width": round(INCH * width), "height": round(INCH * height)}


class ShownAxes(Axes):
    """A matplotlib Axes that a notebook shows as its whole figure."""

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]] | None:
        figure = self.get_figure(root=True)
        return figure._repr_png_() if isinstance(figure, ShownFigure) else None
