"""The report of check_game: errors and remarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tmfcore._results.records import Record
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Finding(Record):
    """One finding about a game.

    Parameters
    ----------
    kind : {"error", "remark"}
        "error": runs will fail or give wrong results. "remark": unusual, but may be intended.
    code : str
        The check: "raises", "rows", "repeatable", "by_row", "promise", "declared", "ranges", "smooth", "mu", "time",
        "passive", "reach", "labels", "steps", "limit".
    text : str
        The finding, with index and value.
    """

    kind: str
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.code}): {self.text}"


@dataclass(frozen=True, repr=False)
class GameReport(Result[Literal["findings"]]):
    """The findings of check_game.

    Parameters
    ----------
    findings : tuple of Finding
        Errors first.
    depends_on_mu, depends_on_time : tuple of str
        The tables that changed with the population distribution, and with the step.
    trials : int
        Number of distributions tried.
    game : str
        The repr of the game.

    Notes
    -----
    `plot` draws the number of errors and remarks of each check that has any.
    """

    findings: tuple[Finding, ...]
    depends_on_mu: tuple[str, ...] = ()
    depends_on_time: tuple[str, ...] = ()
    trials: int = 0
    game: str = field(default="", compare=False)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.kind == "error")

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """The findings that are remarks."""
        return tuple(finding for finding in self.findings if finding.kind == "remark")

    @property
    def ok(self) -> bool:
        """Whether there are no errors."""
        return not self.errors

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "of", self.game
        yield "errors", len(self.errors)
        yield "remarks", len(self.remarks)
        yield "trials", self.trials

    def _variables(self) -> dict[str, Variable]:
        columns = {name: [getattr(one, name) for one in self.findings] for name in ("kind", "code", "text")}
        return {name: (("finding",), np.array(column, dtype=str)) for name, column in columns.items()}

    def _title(self) -> str:
        return self.game

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        codes = list(dict.fromkeys(one.code for one in self.findings)) or ["nothing"]
        counts = np.zeros((1, len(codes), 2))
        for one in self.findings:
            counts[0, codes.index(one.code), one.kind == "remark"] += 1
        return plotting.panels(
            counts, x_labels=("errors", "remarks"), y_labels=codes, y_label="check", quantity="findings",
            **style,
        )  # fmt: skip

    def raise_errors(self) -> None:
        """Raise ValueError with all errors, if there are any."""
        if self.errors:
            raise ValueError(f"{self.game}: " + "; ".join(str(finding) for finding in self.errors))

    def __str__(self) -> str:
        head = f"{self.game}: {len(self.errors)} errors and {len(self.remarks)} remarks in {self.trials} trials"
        changing = (
            f"changing with mu: {', '.join(self.depends_on_mu) or 'nothing'}; "
            f"with time: {', '.join(self.depends_on_time) or 'nothing'}"
        )
        return "\n".join([head, changing, *map(str, self.findings)])
