"""What was found of a game: errors and remarks."""

from __future__ import annotations

from dataclasses import dataclass, field

from tmfcore._results.records import Record


@dataclass(frozen=True)
class Finding(Record):
    """One thing found.

    Parameters
    ----------
    kind : {"error", "remark"}
        An error will make a run fail or be wrong; a remark is what an author should know and may want.
    code : str
        What was looked at: "raises", "rows", "repeatable", "by_row", "promise", "declared", "ranges", "smooth", "mu",
        "time", "passive", "reach", "labels", "steps", "limit".
    text : str
        What was found, with index and value.
    """

    kind: str
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.code}): {self.text}"


@dataclass(frozen=True)
class GameReport(Record):
    """What check_game found.

    Parameters
    ----------
    findings : tuple of Finding
        Errors first.
    depends_on_mu, depends_on_time : tuple of str
        The tables of the game that were seen to change with the population distribution, and with the step.
    trials : int
        Distributions tried.
    game : str
        The game as it prints.
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
