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

CRITICS = ("model", "empirical", "returns")
GRADIENTS = ("natural", "plain")


@click.command()
@words.game_options
@words.schedule_options
@click.option("--iterations", type=count, default=150, show_default=True, help="Updates at most.")
@click.option("--tolerance", type=float, default=0.005, show_default=True,
              help="Stop at this exploitability / |mean return|.")  # fmt: skip
@click.option(
    "--critic",
    **one_of(CRITICS),
    default="model",
    show_default=True,
    help="Where advantages come from.",
)
@click.option(
    "--gradient",
    **one_of(GRADIENTS),
    default="natural",
    show_default=True,
    help="Direction of ascent.",
)
@click.option("--learning-rate", type=float, help="Step length of the ascent.")
@words.seed_option
@click.option("--out", type=click.Path(path_type=Path), callback=words.new_file, help="File for the solution (.npz).")
def solve(
    game: str,
    n_agents: int,
    iterations: int,
    tolerance: float,
    critic: str,
    gradient: str,
    learning_rate: float | None,
    seed: int,
    out: Path | None,
    **options: Any,
) -> None:
    """Learn an equilibrium policy of GAME with TMF-PG.

    GAME is resource-selection or queueing; its options left out are those of `tmfcore reproduce`.
    """
    import tmfcore as tmf

    from .console import mu_table, print_tables, progress

    schedule = words.build_schedule(options, n_agents)
    played = words.build_game(game, options, schedule, n_agents)
    rates: dict[str, Any] = {} if learning_rate is None else {"learning_rate": learning_rate}
    with usage_errors():
        solver = tmf.solvers.TMFPG(
            iterations=iterations, tolerance=tolerance, critic=critic, gradient=gradient, **rates
        )
    last: tmf.solvers.Iteration | None = None
    interrupted = False
    try:
        with usage_errors(), progress(f"TMF-PG, {game}, {schedule}") as bar:

            def remember(now: tmf.solvers.Iteration) -> None:
                nonlocal last
                last = now
                bar(now.iteration, iterations)

            solution = solver.solve(played, schedule, n_agents, rng=seed, callback=remember)
    except KeyboardInterrupt:
        if last is None:
            raise
        interrupted = True
        solution = dataclasses.replace(last.solution(), reason=f"interrupted after iteration {last.iteration}")
    if out is not None:
        solution.save(out)
    print_tables(
        [
            _solution_table(solution, played),
            mu_table("mean-field flow of the policy", played, solution.flow.steps, {"mean field": solution.flow.mu}),
        ]
    )
    if out is not None:
        click.echo(f"wrote {out}")
    if interrupted:
        raise KeyboardInterrupt


def _solution_table(solution: tmf.Solution, game: tmf.Game) -> Table:
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
    return Table(f"TMF-PG: {game.name}, {solution.schedule}", ("", "value"), rows)
