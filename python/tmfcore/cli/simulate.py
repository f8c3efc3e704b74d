"""`tmfcore simulate`: simulate N agents and compare them with their mean field."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, get_args

import click

from tmfcore._base.types import Engine

from . import parameters as words
from .checkpoints import checkpoint_options
from .console import Report, progress, reports
from .games import build_game, game_options
from .parameters import count, one_of, usage_errors

if TYPE_CHECKING:
    import tmfcore as tmf
    from tmfcore.reproduce.report import TextTable

__all__ = ["simulate"]


@click.command()
@game_options
@words.schedule_options
@click.option("--policy", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="File written by `tmfcore solve --out`.  [default: the uniform policy]")  # fmt: skip
@click.option("--engine", **one_of(get_args(Engine)), default="auto", show_default=True,
              help="counts: simulate the histogram, at a cost independent of N; agents: every agent.")  # fmt: skip
@click.option("--replicas", type=count, default=10, show_default=True, help="Number of independent populations.")
@click.option("--record-every", type=count, help="Steps between recorded distributions.  [default: one sweep]")
@click.option("--times", type=float, metavar="SWEEPS",
              help="poisson: time between recorded distributions, in sweeps.  [default: 1]")  # fmt: skip
@words.seed_option
@words.threads_option
@click.option("--mpi", is_flag=True,
              help="Divide the agents between the ranks of mpiexec (extra `mpi`); rank 0 prints.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), callback=words.new_file, help="File for the simulation (.npz).")
@words.pictures_option
@reports
@checkpoint_options
@words.fits_memory("lower --replicas, --horizon or --n-agents, or raise --record-every or --step")
def simulate(
    game: str,
    n_agents: int,
    policy: Path | None,
    engine: Engine,
    replicas: int,
    record_every: int | None,
    times: float | None,
    seed: int,
    threads: int | None,
    mpi: bool,
    out: Path | None,
    pictures: Path | None,
    checkpoint: tmf.Checkpoint | None,
    **options: Any,
) -> Report:
    """Simulate N agents that play GAME, with their mean field.

    GAME is one of `tmfcore games`, FILE.toml, FILE.py or FILE.py:NAME. FILE.py means the object `game` in it,
    FILE.py:NAME the object NAME: a Game, or a function that returns one (documentation, page "The command line").
    --pictures writes population.png.
    """
    comm = _communicator() if mpi else None
    silent = comm is not None and _silenced(comm)
    if silent:
        out = pictures = None
    import tmfcore as tmf
    from tmfcore._limit.exploitability import judged_under
    from tmfcore.reproduce.compute import interval

    import_module(".result_tables", __package__)  # before the work, and not between Ctrl-C and the end
    if replicas > 1:
        interval([0.0, 1.0])  # loads what takes 0.2 s
    schedule = words.build_schedule(options, n_agents)
    clocks = isinstance(schedule, tmf.Poisson)
    _refuse("--times", times, not clocks, "belongs to --schedule poisson: --record-every counts steps")
    _refuse("--record-every", record_every, clocks, "cannot be used with --schedule poisson: --times is in sweeps")
    _refuse("--step", options["step"], clocks, "cannot be used with --schedule poisson: clocks have no steps")
    played = build_game(game, options)(schedule, n_agents)
    if not clocks:
        record_every = record_every or min(played.n_steps, max(1, round(1 / played.dt)))
    recorded: _Recorded = {"times": times} if record_every is None else {"record_every": record_every}
    with usage_errors():
        used = tmf.SoftmaxPolicy.uniform(played) if policy is None else _learnt(policy, played, schedule, n_agents)
        flow = tmf.mean_field(played, used, schedule, n_agents, **recorded)
        _, _, limit = judged_under(played, used, schedule, n_agents)
    if pictures is not None:
        words.make_folder(pictures, "'--pictures'")
    interrupted = False
    try:
        with usage_errors(), progress(f"{game}, {schedule}: {'events' if clocks else 'steps'}") as bar:
            run = tmf.simulate(
                played, used, schedule, n_agents, replicas=replicas, engine=engine, rng=seed, threads=threads,
                progress=bar, checkpoint=checkpoint, comm=comm, **recorded,
            )  # fmt: skip
    except KeyboardInterrupt as interrupt:
        partial: tmf.Simulation | None = getattr(interrupt, "partial", None)
        if partial is None:
            raise
        interrupted, run = True, partial
    place = words.unfinished if interrupted else Path
    if interrupted and not clocks and run.horizon < played.n_steps:  # tables and pictures are over the whole horizon
        if out is not None:
            out = words.save(run, out, interrupted)
            click.echo(f"wrote {out}: {run.steps[-1]:,} of {played.n_steps:,} steps")
        raise KeyboardInterrupt
    lines, written = [], []
    if out is not None:
        out = words.save(run, out, interrupted)
        written.append(out)
        lines.append(f"wrote {out}")
    if pictures is not None:
        from tmfcore import plotting

        path = place(pictures / "population.png")
        plotting.save(run.plot(flow=flow), path)
        written.append(path)
        lines.append(f"wrote {path.name} to {pictures}")
    mean, low, high = interval(run.returns) if run.replicas > 1 else (run.returns[0], None, None)
    found = _Compared(played, schedule, run, mean, low, high, flow, limit)
    return Report(found.document(written), found.tables(), lines, interrupted, silent=silent)


def _communicator() -> Any:
    """All processes that mpiexec started."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # of the package, or of the library that it loads
        reason = (str(error) or type(error).__name__).splitlines()[0]
        said = f"--mpi needs mpi4py and an MPI library ({reason}): pip install 'tmfcore[mpi]'"
        raise click.UsageError(said) from None
    return MPI.COMM_WORLD


def _silenced(comm: Any) -> bool:
    """Whether this is not rank 0, whose output is that of all ranks; what this process prints is then dropped."""
    if comm.Get_rank() == 0:
        return False
    sys.stdout = sys.stderr = open(os.devnull, "w")  # until the process ends
    return True


class _Compared(NamedTuple):
    """What is reported: a run, its mean return and the ends of its interval, and both in the limit."""

    game: tmf.Game
    schedule: tmf.Schedule
    run: tmf.Simulation
    mean: float
    low: float | None
    high: float | None
    flow: tmf.Flow
    limit: float

    def document(self, written: list[Path]) -> dict[str, Any]:
        """By name; `written` are the files."""
        game, run = self.game, self.run
        clocks = game.time == "sweeps"  # for a schedule in steps it was made a game in steps
        return {
            "game": game.name,
            "schedule": run.schedule,
            "n_agents": run.n_agents,
            "replicas": run.replicas,
            "engine": run.engine,
            "horizon": game.horizon if clocks else game.n_steps,
            "step": None if clocks else game.dt,
            "observations": game.observation_labels,
            "steps": run.steps,
            "times": run.times,
            "mu": run.mu.mean(axis=0),
            "mean_field": self.flow.mu,
            "returns": run.returns,
            "mean_return": self.mean,
            "interval": [self.low, self.high],
            "mean_field_return": self.limit,
            "written": written,
        }

    def tables(self) -> list[TextTable]:
        """The shares of the population, and the returns."""
        from .result_tables import mu_table  # loaded before the work

        run, agents = self.run, f"N = {self.run.n_agents:,} agents"
        if run.replicas > 1:
            agents = f"mean of {run.replicas} runs of {agents}"
        title = f"{self.game.name}, {self.schedule}: share of the population, {agents}"
        return [
            mu_table(title, self.game, run, {"agents": run.mu.mean(axis=0), "mean field": self.flow.mu}),
            _return_table(self.mean, self.low, self.high, self.limit),
        ]


class _Recorded(TypedDict, total=False):
    """What sets the times of records."""

    times: float | None
    record_every: int


def _refuse(option: str, value: float | None, refused: bool, why: str) -> None:
    """Raise if an option is given that the schedule does not take."""
    if refused and value is not None:
        raise click.UsageError(f"{option} {why}")


def _learnt(path: Path, game: tmf.Game, schedule: tmf.Schedule, n_agents: int) -> tmf.SoftmaxPolicy | tmf.TabularPolicy:
    """The policy of a saved Solution of this game; warns if it was learnt under other settings."""
    import tmfcore as tmf
    from tmfcore._model.fingerprint import Fingerprint, differences, differing

    try:
        solution = tmf.Solution.load(path)
    except MemoryError:
        raise click.ClickException(f"--policy {path} does not fit in memory; use a smaller file") from None
    learnt, here = solution.fingerprint, Fingerprint.of(game, schedule, n_agents)
    if learnt is None or learnt.name != here.name:
        raise ValueError(f"--policy {path} was learnt for {learnt or 'no known game'}; must be for game {here.name!r}")
    found = differences(learnt, here, ("game", "activation"))
    if found:
        click.echo(f"warning: the policy was learnt for {learnt}, but plays {here}: {differing(found)}", err=True)
    return solution.policy


def _return_table(mean: float, low: float | None, high: float | None, limit: float) -> TextTable:
    from tmfcore.reproduce.report import TextTable

    from .result_tables import number

    interval = "needs 2 runs" if low is None else f"{number(low)} to {number(high)}"
    rows = (("agents", number(mean), interval), ("mean field", number(limit), ""))
    return TextTable("Discounted return per agent", ("", "mean", "95% interval"), rows)
