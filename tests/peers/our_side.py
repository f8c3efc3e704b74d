"""The answers of this package, in the shape in which all sides give them."""

from dataclasses import dataclass, fields

import numpy as np

import tmfcore as tmf

CLOSE = {"rtol": 1e-8, "atol": 1e-8}


@dataclass(frozen=True)
class Answer:
    """What is computed of a policy pi.

    mu (T, S); values, best_values (T, S), undiscounted from step t on; q, best_q (T, S, A), the value of an acting agent
    on the clock "always", else of one of whom it is not known whether she acts; exploitability, of mu_0. NaN where a side
    does not know.
    """

    mu: np.ndarray
    values: np.ndarray
    best_values: np.ndarray
    q: np.ndarray
    best_q: np.ndarray
    exploitability: float


def assert_same(ours: Answer, theirs: Answer, close=CLOSE) -> None:
    """Every part of two answers, wherever they have one."""
    for part in fields(ours):
        mine, other = getattr(ours, part.name), np.asarray(getattr(theirs, part.name))
        assert np.isfinite(other).any(), f"{part.name}: they say nothing"
        np.testing.assert_allclose(np.where(np.isfinite(other), mine, other), other, err_msg=part.name, **close)


def answer(game: tmf.Game, pi: np.ndarray, schedule, clock: str = "schedule") -> Answer:
    policy = tmf.TabularPolicy(pi)
    found = tmf.evaluate(game, policy, schedule, clock=clock)
    best_policy, best = tmf.best_response(game, found.flow, schedule, clock=clock)
    best_q = tmf.evaluate(game, best_policy, schedule, clock=clock, flow=found.flow).q
    mixed = found.q, best_q
    if clock == "schedule":
        mixed = tuple(_of_anyone(game, found.flow.mu, q, v, schedule) for q, v in zip(mixed, (found.values, best)))
    gap = tmf.exploitability(game, policy, schedule, clock=clock)
    return Answer(found.flow.mu[:-1], found.values[:-1], best[:-1], *mixed, gap)


def _of_anyone(game, mu, q, values, schedule) -> np.ndarray:
    """Beta_t q + (1 - beta_t) times the value of not acting at t."""
    active = np.ones(game.horizon) * schedule.active_fraction(game.horizon)
    found = np.empty_like(q)
    for t, beta in enumerate(active):
        _, _, reward, stays = game.tables(mu[t], t)
        rest = values[t + 1][game.passive_successors] if game.passive_successors is not None else values[t + 1]
        passive = reward + game.discount * (stays * rest).sum(axis=-1)
        found[t] = beta * q[t] + (1 - beta) * passive[:, None]
    return found


def random_policies(game: tmf.Game, rng: np.random.Generator, n: int = 10) -> list[np.ndarray]:
    """Tables (T, S, A): rows near uniform, spread and nearly pure in turn, the last of them pure."""
    shape = (game.horizon, game.n_observations)
    spreads = [50.0, 1.0, 0.05]
    found = [rng.dirichlet(np.full(game.n_actions, spreads[i % 3]), size=shape) for i in range(n - 1)]
    return [*found, np.eye(game.n_actions)[rng.integers(game.n_actions, size=shape)]]


def mirror_descent(game: tmf.Game, schedule, rate: float, iterations: int) -> np.ndarray:
    """Exploitability of the uniform policy and of what each update makes of it, (iterations + 1,)."""
    return _curve(tmf.solvers.MirrorDescent(learning_rate=rate, **_to_the_end(iterations)), game, schedule, None)


def fictitious_play(game: tmf.Game, schedule, iterations: int, initial: np.ndarray) -> np.ndarray:
    """Exploitability of `initial` (T, S, A) and of every mean of best responses, (iterations + 1,)."""
    solver = tmf.solvers.FictitiousPlay(**_to_the_end(iterations))
    return _curve(solver, game, schedule, tmf.TabularPolicy(initial))


def fictitious_play_of_everybody(game, schedule, iterations: int, initial: np.ndarray, split=False) -> np.ndarray:
    """The rule of the other packages: mix with the flow that arises when everybody plays the best response.

    tmf.solvers.FictitiousPlay takes the flow of one agent who plays it among the others, so that what it mixes are flows
    along one sequence of kernels. The same where kernels do not depend on mu. Where nobody is, they play uniformly.
    `split`: of actions that are equally good each is played as often; else the first.
    """
    pi, found = initial, []
    for k in range(iterations + 1):
        policy = tmf.TabularPolicy(pi)
        found.append(tmf.exploitability(game, policy, schedule))
        flow = tmf.mean_field(game, policy, schedule)
        best, _ = tmf.best_response(game, flow, schedule)
        if split:
            q = tmf.evaluate(game, best, schedule, flow=flow).q
            ties = q > q.max(axis=-1, keepdims=True) - 1e-12
            best = tmf.TabularPolicy(ties / ties.sum(axis=-1, keepdims=True))
        weight = 1 / (k + 2)
        own = (1 - weight) * flow.mu[:-1, :, None]
        other = weight * tmf.mean_field(game, best, schedule).mu[:-1, :, None]
        total = own + other
        mixed = own * pi + other * best.table
        pi = np.where(total > 0, mixed / np.where(total > 0, total, 1), 1 / game.n_actions)
    return np.array(found)


def kernels_move(game: tmf.Game) -> bool:
    """Whether transitions depend on mu, told from two populations."""
    some = game.initial, np.random.default_rng(0).dirichlet(np.ones(game.n_observations))
    one, two = (game.tables(mu) for mu in some)
    return not (np.array_equal(one[1], two[1]) and np.array_equal(one[3], two[3]))


def _to_the_end(iterations: int) -> dict:
    return {"iterations": iterations, "tolerance": None, "absolute_tolerance": None}


def _curve(solver, game, schedule, initial) -> np.ndarray:
    return solver.solve(game, schedule, initial=initial).history["exploitability"]
