"""`tmfcore solve`: learn an equilibrium policy and keep it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import parameters as words
from .parameters import count, one_of, usage_errors

if TYPE_CHECKING:
    import tmfcore as tmf
    from tmfcore.reproduce.report import Table

__all__ = ["solve"]

SOLVERS = {
    "tmf-pg": "TMFPG",
    "mirror-descent": "MirrorDescent",
    "fictitious-play": "FictitiousPlay",
    "fixed-point": "FixedPoint",
    "prior-descent": "PriorDescent",
    "mfomo": "MFOMO",
    "stationary": "Stationary",
}
CRITICS = ("model", "empirical", "returns")
GRADIENTS = ("natural", "plain")


@click.command()
@words.game_options
@words.schedule_options
@click.option("--solver", **one_of(tuple(SOLVERS)), default="tmf-pg", show_default=True,
              help="How. All but tmf-pg know the game and sample nobody.")  # fmt: skip
@click.option("--iterations", type=count, help="Updates at most.  [default: 150 of tmf-pg, else the solver's own]")
@click.option("--tolerance", type=float,
              help="Stop at this exploitability / |mean return|.  [default: 0.005 of tmf-pg, else 0.0001]")  # fmt: skip
@click.option("--critic", **one_of(CRITICS), help="tmf-pg: where advantages come from.  [default: model]")
@click.option("--gradient", **one_of(GRADIENTS), help="tmf-pg: direction of ascent.  [default: natural]")
@click.option("--learning-rate", type=float, help="tmf-pg, mirror-descent, stationary: step length of the ascent.")
@words.seed_option
@click.option("--out", type=click.Path(path_type=Path), callback=words.new_file, help="File for the solution (.npz).")
def solve(
    game: str,
    n_agents: int,
    solver: str,
    iterations: int | None,
    tolerance: float | None,
    critic: str | None,
    gradient: str | None,
    learning_rate: float | None,
    seed: int,
    out: Path | None,
    **options: Any,
) -> None:
    """Learn an equilibrium policy of GAME, with TMF-PG unless told.

    GAME is resource-selection or queueing; its options left out are those of `tmfcore reproduce`.
    """
    import tmfcore as tmf

    from .console import mu_table, print_tables, progress

    schedule = words.build_schedule(options, n_agents)
    played = words.build_game(game, options, schedule, n_agents)
    settings = {
        name: value
        for name, value in (
            ("iterations", iterations),
            ("tolerance", tolerance),
            ("critic", critic),
            ("gradient", gradient),
            ("learning_rate", learning_rate),
        )
        if value is not None
    }
    kind = getattr(tmf.solvers, SOLVERS[solver])
    for name in settings:
        if name not in {field.name for field in dataclasses.fields(kind)}:
            raise click.UsageError(f"--{name.replace('_', '-')} is no option of {solver}")
    if solver == "tmf-pg":
        settings = {"iterations": 150} | settings
    with usage_errors():
        method = kind(**settings)
    title = "TMF-PG" if solver == "tmf-pg" else SOLVERS[solver]
    last: tmf.solvers.Iteration | None = None
    interrupted = False
    try:
        with usage_errors(), progress(f"{title}, {game}, {schedule}") as bar:

            def remember(now: tmf.solvers.Iteration) -> None:
                nonlocal last
                last = now
                bar(now.iteration, method.iterations)

            solution = method.solve(played, schedule, n_agents, rng=seed, callback=remember)
    except KeyboardInterrupt:
        if last is None:
            raise
        interrupted = True
        solution = dataclasses.replace(last.solution(), reason=f"interrupted after iteration {last.iteration}")
    if out is not None:
        solution.save(out)
    print_tables(
        [
            _solution_table(solution, played, title),
            mu_table("mean-field flow of the policy", played, solution.flow.steps, {"mean field": solution.flow.mu}),
        ]
    )
    if out is not None:
        click.echo(f"wrote {out}")
    if interrupted:
        raise KeyboardInterrupt


def _solution_table(solution: tmf.Solution, game: tmf.Game, title: str) -> Table:
    from tmfcore.reproduce.report import Table

    history = solution.history
    rows = (
        ("exploitability", f"{solution.exploitability:.3e}"),
        ("exploitability / |mean return|", f"{solution.relative_exploitability:.3%}"),
        ("mean return (mean field)", f"{solution.mean_return:.4f}"),
        ("iterations", f"{history['iteration'][-1]}"),
        ("steps, sweeps a step", f"{game.horizon}, {game.step:g}"),
        ("seconds", f"{history['seconds'][-1]:.2f}"),
        ("stopped because", solution.reason),
    )
    return Table(f"{title}: {game.name}, {solution.schedule}", ("", "value"), rows)
