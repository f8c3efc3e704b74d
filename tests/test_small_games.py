"""Left-right, rock-paper-scissors, susceptible-infected and garnet: tables, closed forms, and MFGLib's games of that name."""


import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import strategies
import tmfcore as tmf
from peers import need
from tmfcore.games import BY_NAME, garnet, left_right, rock_paper_scissors, susceptible_infected

NAMES = ("left_right", "rock_paper_scissors", "susceptible_infected", "garnet")


def slow_left_right(costs, dt=1.0):
    """tables(mu) as the docstring has them, dense."""
    def tables(mu, t):
        waiting = np.array([0.0, -dt * costs[0] * mu[1], -dt * costs[1] * mu[2]])
        moves = np.zeros((3, 2, 3))
        for a in range(2):
            moves[:, a, a + 1] = 1.0
        return np.column_stack([waiting, waiting]), moves, waiting, np.eye(3)

    return tables


def slow_hands(stakes, win, loss, dt=1.0):
    beats = {1: 3, 2: 1, 3: 2}  # rock beats scissors, paper rock, scissors paper

    def tables(mu, t):
        waiting, moves = np.zeros(4), np.zeros((4, 3, 4))
        for j, prey in beats.items():
            hunter = next(h for h, p in beats.items() if p == j)
            waiting[j] = dt * stakes[j - 1] * (win * mu[prey] - loss * mu[hunter])
            moves[:, j - 1, j] = 1.0
        return np.column_stack([waiting] * 3), moves, waiting, np.eye(4)

    return tables


def slow_infection(infection, recovery, distance, illness):
    def tables(mu, t):
        caught = infection * mu[1]
        moves = np.array([[[1 - caught, caught], [1, 0]], [[recovery, 1 - recovery]] * 2])
        reward = np.array([[0, -distance], [-illness, -illness - distance]])
        return reward, moves, reward[:, 0], moves[:, 0]

    return tables


def assert_tables(game, tables, seed=0):
    for mu in strategies.rows(np.random.default_rng(seed), (4, game.n_observations), 1.0):
        dense = list(game.tables(mu))
        if game.successors is not None:
            dense[1] = strategies.dense(dense[1], game.successors, game.n_observations)
        for found, expected in zip(dense, tables(mu, 0), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-14)


# ------------------------------------------------------------------------------------------------ formulas written out


@given(st.floats(-1, 3), st.floats(0, 3), st.sampled_from([1.0, 0.1]))
def test_left_right(first, second, step):
    assert_tables(left_right((first, second), step=step).at(), slow_left_right((first, second), step))


@given(st.lists(st.floats(0.1, 3), min_size=3, max_size=3), st.floats(0, 3), st.floats(0, 3), st.sampled_from([1.0, 0.1]))
def test_rock_paper_scissors(stakes, win, loss, step):
    assert_tables(rock_paper_scissors(stakes, win=win, loss=loss, step=step).at(), slow_hands(stakes, win, loss, step))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(-1, 2), st.floats(-1, 2))
def test_susceptible_infected(infection, recovery, distance, illness):
    game = susceptible_infected(infection, recovery=recovery, distancing_cost=distance, illness_cost=illness)
    assert_tables(game, slow_infection(infection, recovery, distance, illness))


DEFAULTS = {
    "left_right": (slow_left_right((1.0, 2.0)), 2, [1, 0, 0]),
    "rock_paper_scissors": (slow_hands((1.0, 2.0, 3.0), 2.0, 1.0), 2, [1, 0, 0, 0]),
    "susceptible_infected": (slow_infection(0.81, 0.3, 0.5, 1.0), 51, [0.4, 0.6]),
}


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_flow_and_exploitability(name, clock, beta):
    """Of random policies, synchronous and not, against the slow reference."""
    game = BY_NAME[name]().at(step=1)
    tables, horizon, initial = DEFAULTS[name]
    assert (game.horizon, game.discount, game.initial.tolist(), game.name) == (horizon, 1.0, initial, name)
    right = reference.Game(game.n_observations, game.n_actions, horizon, 1.0, game.initial, tables)
    active = np.full(horizon, beta)
    for seed in range(3):
        spec = strategies.random_policy(seed, game.n_observations, game.n_actions, stages=horizon)
        policy, plain = spec.build(horizon), spec.reference(horizon)
        schedule = tmf.Fraction(beta)
        np.testing.assert_allclose(tmf.mean_field(game, policy, schedule).mu, reference.flow(right, plain, active), atol=1e-12)
        found = tmf.exploitability(game, policy, schedule, clock=clock)
        assert found == pytest.approx(reference.exploitability(right, plain, active, clock)[0], abs=1e-10)


@pytest.mark.parametrize(("name", "expected"), [("left_right", 0.25), ("rock_paper_scissors", 1 / 3),
                                                ("susceptible_infected", 5.467)])  # fmt: skip
def test_known_exploitabilities_of_the_uniform_policy(name, expected):
    """Figures of MFGLib's games, in float32."""
    game = BY_NAME[name]().at(step=1)
    found = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    assert found == pytest.approx(expected, abs=6e-4 if name == "susceptible_infected" else 1e-12)


def test_labels():
    assert left_right(step=1).at().observation_labels == ("start", "left", "right")
    assert rock_paper_scissors(step=1).at().action_labels == ("rock", "paper", "scissors")
    assert susceptible_infected().observation_labels == ("susceptible", "infected")
    assert susceptible_infected().action_labels == ("go out", "keep away")


# -------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("costs", [(1.0, 2.0), (3.0, 0.5)])
def test_equilibrium_of_left_right(costs):
    """The first choice puts c_2 / (c_1 + c_2) on the left, where both sides cost c_1 c_2 / (c_1 + c_2)."""
    game, left = left_right(costs, step=1).at(), costs[1] / sum(costs)
    policy = tmf.TabularPolicy(np.tile([left, 1 - left], (3, 1)))
    found = tmf.evaluate(game, policy, tmf.Synchronous())
    assert tmf.exploitability(game, policy, tmf.Synchronous()) == pytest.approx(0, abs=1e-15)
    assert found.mean_return == pytest.approx(-costs[0] * costs[1] / sum(costs))
    solution = tmf.solve(game, tmf.Synchronous(), tolerance=1e-7)
    assert solution.converged
    np.testing.assert_allclose(solution.flow.mu[1], [0, left, 1 - left], atol=1e-5)
    answer = tmf.analysis.monotonicity(game, tmf.Synchronous())
    assert answer.verdict == "strictly monotone"
    assert answer.eigenvalues.max() < 0  # mu(0) costs nothing, but e_0 is no difference of populations


def test_equilibrium_of_rock_paper_scissors():
    """Shares (26, 20, 31) / 77 earn 6/11 each: no other hand is better."""
    game = rock_paper_scissors(step=1).at()
    shares = np.array([26, 20, 31]) / 77
    policy = tmf.TabularPolicy(np.tile(shares, (4, 1)))
    assert tmf.exploitability(game, policy, tmf.Synchronous()) == pytest.approx(0, abs=1e-15)
    assert tmf.evaluate(game, policy, tmf.Synchronous()).mean_return == pytest.approx(6 / 11)
    answer = tmf.analysis.monotonicity(game, tmf.Synchronous(), rng=0)
    assert answer.affine and answer.verdict == "not monotone" and answer.violation.value > 0


def test_even_stakes_are_monotone_where_losing_hurts_as_much():
    """s (mu(prey) - mu(hunter)) is antisymmetric: a form that is 0, whatever the flows."""
    game = rock_paper_scissors((1, 1, 1), win=1, loss=1, horizon=4, step=1).at()
    answer = tmf.analysis.monotonicity(game, tmf.Synchronous())
    assert answer.verdict == "monotone"
    np.testing.assert_allclose(answer.eigenvalues, 0, atol=1e-12)


def test_an_epidemic_rests_where_infections_are_recoveries():
    """Everybody out: i m (1 - m) = q m at m = 1 - q / i."""
    game = susceptible_infected(horizon=400)
    out = tmf.TabularPolicy(np.tile([1.0, 0.0], (2, 1)))
    assert tmf.mean_field(game, out, tmf.Synchronous()).mu[-1, 1] == pytest.approx(1 - 0.3 / 0.81, abs=1e-12)


# ---------------------------------------------------------------------------------------------------- passive agents


def test_passive_agents_take_no_precaution():
    """Those who act keep away; an epidemic among the others goes on as if they had gone out."""
    away, out = (tmf.TabularPolicy(np.tile(row, (2, 1))) for row in ([0.0, 1.0], [1.0, 0.0]))
    game = susceptible_infected(horizon=30)
    np.testing.assert_allclose(
        tmf.mean_field(game, out, tmf.Fraction(0.2)).mu, tmf.mean_field(game, out, tmf.Synchronous()).mu, atol=1e-14
    )
    idle = tmf.evaluate(game, away, tmf.Fraction(np.zeros(30)))
    busy = tmf.evaluate(game, out, tmf.Synchronous())
    np.testing.assert_allclose(idle.flow.mu, busy.flow.mu, atol=1e-14)
    np.testing.assert_allclose(idle.values, busy.values, atol=1e-12)
    m = 0.6
    for mu in tmf.mean_field(game, away, tmf.Fraction(0.4)).mu:
        assert mu[1] == pytest.approx(m, abs=1e-14)
        m += 0.6 * 0.81 * m * (1 - m) - 0.3 * m


@pytest.mark.parametrize("make", [left_right, rock_paper_scissors, garnet])
def test_passive_agents_stay_and_go_on_earning(make):
    game = make(step=1)
    size = game.n_observations
    for mu in strategies.rows(np.random.default_rng(0), (3, size), 1.0):
        reward, _, waiting, staying = game.tables(mu)
        np.testing.assert_array_equal(staying, np.eye(size))
        extra = reward - waiting[:, None]
        if make is garnet:
            assert (extra >= -1e-15).all() and (extra <= 1).all()
        else:
            np.testing.assert_allclose(extra, 0, atol=1e-15)


@pytest.mark.parametrize("make", [left_right, rock_paper_scissors, garnet])
def test_time_is_measured_in_sweeps(make):
    """A sweep in ten steps of a tenth each: as long, and a crowd that stands still earns the same."""
    whole, parts = (make(horizon=6, discount=0.9).at(step=step) for step in (1, 0.1))
    assert (parts.horizon, parts.step) == (60, 0.1) and parts.discount == 0.9**0.1
    mu = np.full(whole.n_observations, 1 / whole.n_observations)
    np.testing.assert_allclose(10 * parts.tables(mu)[2], whole.tables(mu)[2], atol=1e-14)
    extra = [game.tables(mu)[0] - game.tables(mu)[2][:, None] for game in (whole, parts)]
    np.testing.assert_allclose(*extra, atol=1e-14)  # what acting itself earns is earned once a sweep


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Sequential(), tmf.Bernoulli(0.4)])
@pytest.mark.broad
def test_simulated_and_predicted(name, schedule):
    """Mean counts of 2,000 populations of 400 within 6 standard errors of mu + bias / N, allowing for 1 / N^2."""
    game = BY_NAME[name]().at(step=1)
    policy = tmf.TabularPolicy.uniform(game)
    run = tmf.simulate(game, policy, schedule, 400, replicas=2_000, rng=5, decisions=False)
    predicted = tmf.analysis.fluctuations(game, policy, schedule, 400)
    assert predicted.jacobian == "exact"
    shares = run.counts[:, -1] / 400
    slack = 6 * shares.std(axis=0) / np.sqrt(2_000) + 20 / 400**2
    assert (np.abs(shares.mean(axis=0) - predicted.mu[-1] - predicted.bias[-1] / 400) <= slack).all()


# ------------------------------------------------------------------------------------------------------------ garnet


@given(st.integers(1, 8), st.integers(1, 3), st.integers(1, 8), st.sampled_from([0.0, 0.3, 1.0]), st.booleans(), strategies.seeds)
def test_garnet_is_as_described(size, n_act, n_cells, coupling, monotone, seed):
    n_cells = min(n_cells, size)
    options = {"congestion": 2.0, "monotone": monotone, "rng": seed, "horizon": 2, "step": 1}
    game = garnet(size, n_actions=n_act, n_successors=n_cells, coupling=coupling, **{"step": 1} | options).at()
    plain = garnet(size, n_actions=n_act, n_successors=n_cells, **{"step": 1} | options).at()
    still = garnet(size, n_actions=n_act, n_successors=n_cells, **{"step": 1} | options | {"congestion": 0.0}).at()
    assert game.successors.shape == (size, n_act, n_cells)
    assert all(len(set(row)) == n_cells for row in game.successors.reshape(-1, n_cells).tolist())
    np.testing.assert_array_equal(game.successors, plain.successors)
    corners = [game.tables(e) for e in np.eye(size)]
    for mu in strategies.rows(np.random.default_rng(seed), (2, size), 1.0):
        reward, rows, waiting, _ = game.tables(mu)
        np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-12)
        felt = -np.column_stack([corner[2] for corner in corners])  # 2 C
        np.testing.assert_allclose(waiting, -felt @ mu, atol=1e-12)
        np.testing.assert_allclose(reward - waiting[:, None], still.tables(mu)[0], atol=1e-12)
        if coupling == 0:
            np.testing.assert_array_equal(rows, plain.tables(np.eye(size)[0])[1])
    base = plain.tables(np.eye(size)[0])[1]
    for corner in corners:
        assert (corner[1] - (1 - coupling) * base >= -1e-12).all()
    if monotone:
        np.testing.assert_allclose(felt, felt.T, atol=1e-12)
        assert np.linalg.eigvalsh(felt)[0] > 0 and np.diagonal(felt).max() == pytest.approx(2.0)
    else:
        assert (np.abs(felt) <= 2.0).all() and (np.diagonal(felt) >= 1.0).all()


@pytest.mark.parametrize("coupling", [0.2, 0.7])
def test_rows_of_garnet_mix_what_is_felt(coupling):
    """(1 - coupling) of a row is that of no coupling, the rest that of coupling 1, which is another one at every corner."""
    plain, mixed, whole = (garnet(5, n_actions=2, n_successors=3, coupling=c, rng=1, horizon=2, step=1).at() for c in (0.0, coupling, 1.0))
    corners = np.eye(5)
    for e in corners:
        rows, felt = plain.tables(e)[1], whole.tables(e)[1]
        np.testing.assert_allclose(mixed.tables(e)[1], (1 - coupling) * rows + coupling * felt, atol=1e-14)
    assert min(np.ptp([whole.tables(e)[1] for e in corners], axis=0).ravel()) > 0.01


def test_garnet_says_what_is_monotone():
    verdicts = [tmf.analysis.monotonicity(garnet(8, n_actions=3, monotone=m, rng=s, horizon=4, step=1).at(), tmf.Synchronous(), trials=20, rng=0).verdict
                for m in (True, False) for s in range(3)]  # fmt: skip
    assert verdicts[:3] == ["strictly monotone"] * 3
    assert not {"monotone", "strictly monotone"} & set(verdicts[3:])
    assert not np.array_equal(garnet(rng=1, step=1).at().successors, garnet(rng=2, step=1).at().successors)


def test_garnet_pieces_are_uniform_cuts():
    """The first piece of K has the law 1 - (1 - x)^(K - 1): mean 1 / K; 6 standard errors."""
    rows = garnet(100, n_actions=20, n_successors=4, horizon=1, step=1).at().tables(np.full(100, 0.01))[1].reshape(-1, 4)
    assert (np.abs(rows.mean(axis=0) - 0.25) < 6 * np.sqrt(3 / 80 / len(rows))).all()
    np.testing.assert_allclose(np.mean(rows[:, 0] > 0.5), 0.5**3, atol=6 * np.sqrt(0.11 / len(rows)))


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: left_right((1, 2, 3), step=1).at(), r"costs has shape \(3,\)"),
        (lambda: left_right(step=0).at(), "step is 0.0; must be"),
        (lambda: rock_paper_scissors((1, 0, 1), step=1).at(), r"stakes\[1\] is 0.*must be in \(0, 1e\+100\]"),
        (lambda: rock_paper_scissors(win=-1, step=1).at(), r"win is -1.0; must be in \[0, "),
        (lambda: susceptible_infected(1.5), r"infection is 1.5; must be in \[0, 1\]|infection is 1.5"),
        (lambda: susceptible_infected(initial=(0.5, 0.6)), "initial sums to 1.1"),
        (lambda: susceptible_infected(horizon=0), "horizon is 0"),
        (lambda: garnet(3, n_actions=2, n_successors=4, step=1).at(), "n_successors is 4"),
        (lambda: garnet(3, n_actions=2, n_successors=0, step=1).at(), "n_successors is 0"),
        (lambda: garnet(2**31, step=1).at(), "n_observations is 2147483648"),
        (lambda: garnet(2, n_actions=2**31, step=1).at(), "n_actions is 2147483648"),
        (lambda: garnet(rng=-1, step=1).at(), "rng is -1"),
        (lambda: garnet(coupling=1.5, step=1).at(), "coupling is 1.5"),
    ],
)
def test_bad_parameters_are_named(call, error):
    with pytest.raises(ValueError, match=error):
        call()


# ----------------------------------------------------------------------------------------------------- beside MFGLib


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DEFAULTS)
def test_equals_mfglib(name):
    """Rewards, rows, start and number of steps; flow and exploitability of ten random policies; float32 there."""
    torch = need("torch")
    need("mfglib.alg")
    from mfglib.env import Environment
    from mfglib.scoring import exploitability_score
    from mfglib.utils import mean_field_from_policy

    theirs, game = getattr(Environment, name)(), BY_NAME[name]().at(step=1)
    size, n_act = game.n_observations, game.n_actions
    assert (theirs.S, theirs.A, theirs.T + 1) == ((size,), (n_act,), game.horizon)
    np.testing.assert_allclose(theirs.mu0.numpy(), game.initial, atol=1e-7)
    rng = np.random.default_rng(2)
    for mu in rng.dirichlet(np.ones(size), size=5):
        law = torch.tensor(mu[:, None] * rng.dirichlet(np.ones(n_act), size=size), dtype=torch.float32)
        reward, rows, _, _ = game.tables(mu)
        np.testing.assert_allclose(theirs.reward(0, law).numpy(), reward, atol=1e-6)
        np.testing.assert_allclose(theirs.prob(0, law).numpy(), np.moveaxis(rows, -1, 0), atol=1e-6)
    for seed in range(10):
        policy = strategies.random_policy(seed, size, n_act, stages=game.horizon).build(game.horizon)
        table = torch.tensor(policy.table, dtype=torch.float32)
        flow = mean_field_from_policy(table, env=theirs).sum(dim=-1).numpy()
        np.testing.assert_allclose(tmf.mean_field(game, policy, tmf.Synchronous()).mu[:-1], flow, atol=1e-5)
        mine = tmf.exploitability(game, policy, tmf.Synchronous())
        assert mine == pytest.approx(exploitability_score(theirs, table), abs=1e-5 * game.horizon)
