"""What is wrong with a game, before it is run.

check_game(game) -> GameReport      everything that is found, as errors and remarks
"""

from __future__ import annotations

from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._model.game import Game
from tmfcore._random import seeding
from tmfcore.testing import _looks
from tmfcore.testing._probe import TABLES, Probe, distributions, guarded, steps_of
from tmfcore.testing._report import Finding, GameReport

SHORT = 0.01  # sweeps a step of a game in sweeps lasts
LONGEST = 2_000_000  # cells of the kernel, beyond which no population is played


@takes_rng
@fits_memory(f"trials must be fewer, or {SMALLER_GAME}")
def check_game(game: Game, *, trials: int = 20, rng: seeding.RNG = None, play: bool = True) -> GameReport:
    """Ask a game for its tables at many distributions and steps, and report all that is wrong or odd.

    Parameters
    ----------
    game : Game
        In sweeps without a step of its own it is looked at in steps of 0.01 sweeps.
    trials : int, optional
        Distributions drawn, besides the start, the uniform one and those with everybody at one place: Dirichlet, some
        with empty places.
    rng : int, Generator, SeedSequence or None, optional
        Seed of the distributions and of the populations.
    play : bool, optional
        Also hold populations of 10,000 agents, half of whom act at a step, against the mean field, over up to 50 steps.

    Returns
    -------
    GameReport
        Its `findings`; nothing is raised for them (`raise_errors()` does that).

    Raises
    ------
    TypeError, ValueError
        game is no Game; bad trials or rng.

    Notes
    -----
    Looked at: whether the game raises, or returns what is no distribution or not finite, anywhere; whether it gives the
    same twice; whether single rows equal the tables; whether promises of a compiled game hold, and what a model
    declares for proofs; ranges; jumps of a table along lines between distributions, by bisection; dependence on mu and
    on time; passive agents; observations that nobody can reach; labels; and populations beside their limit. What was
    not met was not found:
    more trials see more. Cost: O((trials + S) S A K) and the simulations.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> print(tmf.testing.check_game(tmf.games.queueing((0.5, 0.4)), rng=1))
    Game('queueing', S=3, A=3, T=2000, discount=0.999487, step=0.01): 0 errors and 0 remarks in 25 trials
    changing with mu: reward, transition, passive_reward, passive_transition; with time: nothing
    """
    check.as_instance(game, "game", Game)
    if game.time == "sweeps" and game.step is None:
        game = game.at(step=SHORT)
    trials = check.as_positive_int(trials, "trials")
    play = check.as_bool(play, "play")
    drawn, agents = seeding.generators(rng, 2)
    probe = Probe(game, distributions(game, trials, drawn), steps_of(game, drawn), drawn)
    findings: list[Finding] = []
    if probe.failures:
        findings += probe.failures
    for look in (_looks.repeatable, _looks.by_row, _looks.promised, _looks.declared):
        findings += guarded(look, probe)
    errors = bool(findings)
    for look in (
        _looks.ranges, _looks.smooth, _looks.dependence, _looks.passive, _looks.reach, _looks.labels, _looks.divided,
    ):  # fmt: skip
        findings += guarded(look, probe)
    if play and not errors and game.n_observations**2 * game.n_actions <= LONGEST:
        findings += _looks.limit(game, agents)
    findings.sort(key=lambda finding: finding.kind != "error")
    return GameReport(
        tuple(findings),
        tuple(TABLES[i] for i in range(4) if probe.changes_with_mu(i)),
        tuple(TABLES[i] for i in range(4) if probe.changes_with_time(i)),
        len(probe.mus),
        repr(game),
    )
