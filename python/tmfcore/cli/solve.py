"""`tmfcore solve`: find an equilibrium policy, print it and save it."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from tmfcore.solvers._critics import CriticName
from tmfcore.solvers._registry import SOLVERS
from tmfcore.solvers.tmfpg import Gradient

from . import parameters as words
from .checkpoints import checkpoint_options
from .console import Report, progress, reports
from .games import build_game, game_options
from .parameters import count, one_of, usage_errors

if TYPE_CHECKING:
    import tmfcore as tmf
    from tmfcore.reproduce.report import TextTable

__all__ = ["solve"]

AUTO = "auto"
WORDS = {entry.word: entry for entry in SOLVERS.values()}
PICTURES: tuple[Literal["exploitability", "flow", "policy"], ...] = ("exploitability", "flow", "policy")
#: Entries T S A of a policy from which a warning recommends --coarse.
LARGE = 20_000_000


@click.command(short_help="Find an equilibrium policy of GAME.")
@game_options
@words.schedule_options
@click.option("--solver", **one_of((AUTO, *WORDS)), default=AUTO, show_default=True,
              help=f"{', '.join((AUTO, *WORDS))}. auto: several exact solvers, until one meets the tolerance; "
              "tmf-pg learns from samples.")  # fmt: skip
@click.option("--iterations", type=count,
              help="Most updates; with auto, of all solvers together.  [default: the solver's own]")  # fmt: skip
@click.option("--time-limit", type=float, help="Seconds after which the best policy so far is returned.")
@click.option("--tolerance", type=float,
              help="Stop at this exploitability / |mean return|.  [default: 0.005 of tmf-pg, else 0.0001]")  # fmt: skip
@click.option("--altruism", type=float,
              help="Weight of what agents do to all others, from 0 (Nash, the default) to 1 (welfare).")  # fmt: skip
@click.option("--coarse", type=count, metavar="STEPS",
              help="Large N: solve with STEPS steps per sweep, judge the policy under the schedule.")  # fmt: skip
@click.option("--critic", **one_of(get_args(CriticName)), help="tmf-pg: source of advantages.  [default: model]")
@click.option("--gradient", **one_of(get_args(Gradient)), help="tmf-pg: direction of ascent.  [default: natural]")
@click.option("--learning-rate", type=float, help="tmf-pg, mirror-descent, stationary: step length of the ascent.")
@words.seed_option
@click.option("--out", type=click.Path(path_type=Path), callback=words.new_file, help="File for the solution (.npz).")
@words.pictures_option
@reports
@checkpoint_options
@words.fits_memory(
    "solve with fewer steps per sweep (--coarse 100), lower --horizon, or raise --step or the number of active agents "
    "(--batch, --fraction, --probability)"
)
def solve(
    game: str,
    n_agents: int,
    solver: str,
    iterations: int | None,
    time_limit: float | None,
    tolerance: float | None,
    altruism: float | None,
    coarse: int | None,
    critic: str | None,
    gradient: str | None,
    learning_rate: float | None,
    seed: int,
    out: Path | None,
    pictures: Path | None,
    checkpoint: tmf.Checkpoint | None,
    **options: Any,
) -> Report:
    """Find an equilibrium policy of GAME.

    GAME is one of `tmfcore games`, FILE.toml, FILE.py or FILE.py:NAME. FILE.py means the object `game` in it,
    FILE.py:NAME the object NAME: a Game, or a function that returns one (documentation, page "The command line").
    --pictures writes exploitability.png (by iteration), flow.png (the population over time) and policy.png.
    """
    import tmfcore as tmf

    from .result_tables import mu_table, policy_at, policy_table

    schedule = words.build_schedule(options, n_agents)
    step: float | None = None
    if isinstance(schedule, tmf.Poisson):
        if coarse is not None:
            raise click.UsageError("--coarse cannot be used with --schedule poisson: --step sets the length of steps")
        step, options["step"] = options["step"], None
    make = build_game(game, options)
    solved, under = played, _ = make(schedule, n_agents), schedule
    if not isinstance(schedule, tmf.Poisson):
        solved, under = _coarsely(make, played, schedule, n_agents, coarse, options["step"])
    settings = {
        name: value
        for name, value in (
            ("iterations", iterations),
            ("tolerance", tolerance),
            ("altruism", altruism),
            ("critic", critic),
            ("gradient", gradient),
            ("learning_rate", learning_rate),
        )
        if value is not None
    }
    run = _solver(solver, settings, time_limit)
    if pictures is not None:
        words.make_folder(pictures, "'--pictures'")
    title = WORDS[solver].name if solver in WORDS else "equilibrium"
    interrupted = False
    try:
        with usage_errors(), progress(f"{title}, {game}, {under}") as bar, warnings.catch_warnings():
            warnings.simplefilter("ignore", tmf.ConvergenceWarning)  # printed below in one line
            solution = run(solved, under, n_agents, rng=seed, progress=bar, step=step, checkpoint=checkpoint)
    except KeyboardInterrupt as interrupt:
        partial_solution: tmf.Solution | None = getattr(interrupt, "partial", None)
        if partial_solution is None:
            raise
        interrupted, solution = True, partial_solution
    if not (solution.converged or interrupted):
        click.echo(f"warning: not converged: {solution.reason}", err=True)
    place = words.unfinished if interrupted else Path
    lines, written = [], []
    if out is not None:
        out = words.save(solution, out, interrupted)
        written.append(out)
        lines.append(f"wrote {out}")
    if pictures is not None:
        from tmfcore import plotting

        drawn = {place(pictures / f"{which}.png"): which for which in PICTURES}
        for path, which in drawn.items():
            plotting.save(solution.plot(which), path)
        written += drawn
        lines.append(f"wrote {', '.join(path.name for path in drawn)} to {pictures}")
    judged = _judged(solution, played, schedule, n_agents, under)
    flow, (steps, played_there) = judged.flow, policy_at(solution.policy, solution.flow, judged.flow)
    tables = [
        _solution_table(solution, played, judged, solver),
        _exploitability_table(solution, judged),
        mu_table("mean-field flow of the policy", played, flow, {"": flow.mu}),
        policy_table(played, flow, steps, played_there),
    ]
    document = _document(solution, played, judged) | {
        "flow_steps": flow.steps, "flow": flow.mu, "policy_steps": steps, "policy": played_there, "written": written,
    }  # fmt: skip
    return Report(document, tables, lines, interrupted)


@dataclasses.dataclass(frozen=True)
class _Judged:
    """A policy under the user's schedule, its flow once per sweep, and the coarse schedule of the solve, if any.

    steps: number and length of the steps that were solved, also under Poisson clocks.
    """

    schedule: str
    exploitability: float
    mean_return: float
    flow: tmf.Flow
    coarse: str
    steps: tuple[int, float]

    @property
    def relative_exploitability(self) -> float:
        """Exploitability divided by |mean return|."""
        from tmfcore.solvers.base import relative

        return relative(self.exploitability, self.mean_return)


def _coarsely(
    make: Callable[[tmf.Schedule, int], tmf.Game], played: tmf.Game, schedule: tmf.Schedule, n_agents: int,
    coarse: int | None, step: float | None,
) -> tuple[tmf.Game, tmf.Schedule]:  # fmt: skip
    """The game in steps and the schedule to solve; with --coarse, those with fewer steps."""
    import tmfcore as tmf

    if coarse is None:
        size = played.n_steps * played.n_observations * played.n_actions
        if size > LARGE:
            click.echo(
                f"warning: the policy has {size:.1e} entries, for {played.n_steps:,} steps; --coarse 100 solves with "
                "100 steps per sweep, and judges the policy under the schedule",
                err=True,
            )
        return played, schedule
    if step is not None:
        raise click.UsageError("--step and --coarse both set the length of a step; give only one of them")
    under = tmf.Fraction(1 / coarse)
    solved = make(under, n_agents)
    if solved.n_steps >= played.n_steps:
        raise click.UsageError(
            f"--coarse {coarse} gives {solved.n_steps:,} steps; must give fewer than the {played.n_steps:,} steps of "
            f"{schedule}"
        )
    return solved, under


def _judged(
    solution: tmf.Solution, played: tmf.Game, schedule: tmf.Schedule, n_agents: int, under: tmf.Schedule
) -> _Judged:
    """Judge the policy of a solution under the schedule; if it was solved under it, reuse the solver's judgement."""
    import tmfcore as tmf
    from tmfcore._limit.exploitability import judged_under

    if isinstance(schedule, tmf.Poisson):
        with usage_errors():
            flow = tmf.mean_field(played, solution.policy, schedule, n_agents)
            gap, value = solution.exploitability, solution.mean_return
            if solution.discretisation is None:  # interrupted, and not judged under the clocks
                gap, _, value = judged_under(played, solution.policy, schedule, n_agents)
        n_steps = solution.flow.horizon
        return _Judged(schedule.label, gap, value, flow, "", (n_steps, played.horizon / n_steps))
    sweep, steps = max(1, round(1 / played.dt)), (played.n_steps, played.dt)
    if under is schedule:
        flow = solution.flow
        rows = sorted({*range(0, len(flow.steps), sweep), len(flow.steps) - 1})
        flow = dataclasses.replace(flow, mu=flow.mu[rows], steps=flow.steps[rows])
        return _Judged(solution.schedule, solution.exploitability, solution.mean_return, flow, "", steps)
    altruism = solution.solver.get("altruism", 0.0)
    gap, _, value = judged_under(played, solution.policy, schedule, n_agents, altruism=altruism)
    flow = tmf.mean_field(played, solution.policy, schedule, n_agents, record_every=min(sweep, played.n_steps))
    return _Judged(schedule.label, gap, value, flow, solution.schedule, steps)


def _solver(name: str, settings: dict[str, Any], time_limit: float | None) -> Callable[..., tmf.Solution]:
    """tmf.solve with the user's options; a named solver gets the user's settings."""
    import tmfcore as tmf

    if name == AUTO:
        for option in settings.keys() - {"tolerance", "iterations", "altruism"}:
            raise click.UsageError(f"--{option.replace('_', '-')} needs a --solver that has it, such as tmf-pg")
        return partial(tmf.solve, time_limit=time_limit, **settings)
    kind = WORDS[name].solver
    for option in settings:
        if option not in {field.name for field in dataclasses.fields(kind)}:
            raise click.UsageError(f"--{option.replace('_', '-')} is not an option of {name}")
    with usage_errors():
        return partial(tmf.solve, solver=kind(**settings), time_limit=time_limit)


def _solution_table(solution: tmf.Solution, game: tmf.Game, judged: _Judged, asked: str) -> TextTable:
    from tmfcore.reproduce.report import TextTable

    from .result_tables import number

    history = solution.history
    name = SOLVERS[solution.solver["name"]].word
    if asked != AUTO:
        why = "as requested"
    elif solution.converged:
        why = "chosen by auto: the first to meet the tolerance"
    else:
        why = "chosen by auto: the smallest exploitability of those tried"
    rows = (
        ("solver", f"{name}, {why}"),
        *([("solved", f"under {judged.coarse}, then judged under {judged.schedule}")] if judged.coarse else []),
        *([("altruism", f"{solution.solver['altruism']:g}")] if solution.solver.get("altruism") else []),
        ("mean return (mean field)", number(judged.mean_return)),
        ("iterations", f"{history['iteration'][-1]}"),
        ("steps, sweeps per step", f"{judged.steps[0]}, {judged.steps[1]:g}"),
        ("seconds", f"{history['seconds'][-1]:.2f}"),
        ("stopped because", solution.reason),
    )
    return TextTable(f"{game.name}, {judged.schedule}", ("", "value"), rows)


def _exploitability_table(solution: tmf.Solution, judged: _Judged) -> TextTable:
    """Exploitability and tolerances, in columns for units of return and for shares of |mean return|."""
    from tmfcore.reproduce.report import TextTable
    from tmfcore.solvers.base import relative

    asked = [solution.solver.get(name) for name in ("absolute_tolerance", "tolerance")]
    found: dict[str, tmf.Solution | tmf.solvers.Discretisation | _Judged] = {"found": judged}
    if solution.discretisation is not None:
        found = {f"in steps of {solution.discretisation.step:.3g}": solution.discretisation, judged.schedule: judged}
    if judged.coarse:
        found = {f"under {judged.coarse}": solution, f"under {judged.schedule}": judged}
    rows = (
        *(
            (name, f"{one.exploitability:.3e}", f"{relative(one.exploitability, one.mean_return):.3e}")
            for name, one in found.items()
        ),
        ("tolerance", *("" if value is None else f"{value:.3e}" for value in asked)),
    )
    return TextTable("exploitability of the policy", ("", "in return", "/ |mean return|"), rows)


def _document(solution: tmf.Solution, game: tmf.Game, judged: _Judged) -> dict[str, Any]:
    history = solution.history
    return {
        "game": game.name,
        "schedule": judged.schedule,
        "n_agents": solution.n_agents,
        "horizon": judged.steps[0],
        "step": judged.steps[1],
        "solver": solution.solver,
        "converged": solution.converged,
        "reason": solution.reason,
        "exploitability": judged.exploitability,
        "relative_exploitability": judged.relative_exploitability,
        "mean_return": judged.mean_return,
        "coarse": {
            "schedule": solution.schedule,
            "exploitability": solution.exploitability,
            "relative_exploitability": solution.relative_exploitability,
            "mean_return": solution.mean_return,
        }
        if judged.coarse
        else None,
        "discretisation": None if solution.discretisation is None else vars(solution.discretisation),
        "iterations": history["iteration"][-1],
        "best_iteration": solution.best_iteration,
        "seconds": history["seconds"][-1],
        "observations": game.observation_labels,
        "actions": game.action_labels,
    }
