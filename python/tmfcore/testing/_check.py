"""Find mistakes in a game before it is run.

check_game(game) -> GameReport      all findings, as errors and remarks
"""

from __future__ import annotations

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._model.game import Game
from tmfcore._random import seeding
from tmfcore.testing import _looks
from tmfcore.testing._probe import TABLES, Probe, distributions, guarded, steps_of, table_needs
from tmfcore.testing._report import Finding, GameReport

SHORT = 0.01  # length in sweeps of the steps of a game in sweeps
LONGEST = 2_000_000  # largest kernel, in entries, for which populations are simulated


@takes_rng
@fits_memory(f"trials must be fewer, or {SMALLER_GAME}", asks=True)
def check_game(game: Game, *, trials: int = 20, rng: seeding.RNG = None, play: bool = True) -> GameReport:
    """Compute the tables of a game at many distributions and steps, and report everything that is wrong or unusual.

    Parameters
    ----------
    game : Game
        A game in sweeps without its own `step` is checked in steps of 0.01 sweeps.
    trials : int, optional
        Number of random distributions (Dirichlet, some with empty observations), in addition to the initial one, the
        uniform one, and those with all agents at one observation.
    rng : int, Generator, SeedSequence or None, optional
        Seed of the distributions and of the populations.
    play : bool, optional
        True (default): also compare populations of 10,000 agents, half of which act at a step, with the mean field,
        over up to 50 steps.

    Returns
    -------
    GameReport
        Its `findings` are errors and remarks; call `raise_errors()` to raise the errors.

    Raises
    ------
    TypeError, ValueError
        game is not a Game; bad trials or rng.

    Notes
    -----
    Checked: whether the game raises an error, or returns rows that are not distributions or numbers that are not
    finite; whether it returns the same twice; whether single rows equal the tables; whether the promises of a compiled
    game, and the properties that a model declares for proofs, hold; ranges of rewards; jumps of a table along lines
    between distributions, by bisection; dependence on mu and on time; passive rewards; observations that no agent
    reaches; labels; and finite populations against their limit. Mistakes at other distributions and steps are not
    found; more trials find more. Cost: O((trials + S) S A K) and the simulations.

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
    needs.ask(table_needs(game, trials))
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
