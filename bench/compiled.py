"""Compare games compiled by numba with the same built-in games, and time a row: python -m bench.compiled.

Prints the ratios of docs/tutorials/own-game.md. Needs numba. One core; processor time, the smallest of many runs.
"""

from __future__ import annotations

import math
import time

import numpy as np

import tmfcore as tmf

SIGNATURE = "int32(int32, int32, int32, CPointer(double), CPointer(double), CPointer(double), voidptr)"
STEPS = 20_000  # per run, over all replicas
REPEATS = 9


def beach_bar(step):
    import numba

    game = tmf.games.beach_bar(100, step=step).at()

    @numba.cfunc(SIGNATURE)
    def row(t, o, a, mu, p, reward, user):
        reward[0] = step * (1 - abs(o - 50) / 50 - math.log(mu[o] + 1e-6))
        p[0] = 1.0
        if a >= 0:
            p[0], p[1], p[2] = 0.25, 0.5, 0.25
            if a != 1:
                reward[0] -= 0.01
        return 0

    return game, row, ("constant_transition", "local_passive_reward", "separable_reward")


def queueing(step):
    import numba

    capacities = (0.5, 0.4, 0.3)
    capacity = np.array((0.0, *capacities))
    game = tmf.games.queueing(capacities, service_reward=1.0, waiting_cost=0.1, jockeying_cost=0.05, step=step).at()

    @numba.cfunc(SIGNATURE)
    def row(t, o, a, mu, p, reward, user):
        service = 0.0
        reward[0] = 0.0
        if o > 0:
            service = capacity[o] / (capacity[o] + mu[o])
            reward[0] = step * (service - 0.1)
            if a > 0 and a != o:
                reward[0] -= 0.05
        p[0], p[1] = step * service, 1 - step * service
        return 0

    return game, row, ("local_passive_reward", "separable_reward")


def compiled(game, row, promises):
    model = game.model
    return tmf.Game.compiled(
        row, model.n_observations, model.n_actions, game.horizon, game.discount, game.initial,
        successors=model.successors, passive_successors=model.passive_successors,
        **dict.fromkeys(promises, True),
    )  # fmt: skip


def least(run):
    """The smallest processor time of REPEATS runs, in seconds."""
    taken = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def ratios():
    for make in (beach_bar, queueing):
        for schedule, n_agents in ((tmf.Synchronous(), 1000), (tmf.Synchronous(), 10**6), (tmf.Sequential(), 1000)):
            game, row, promises = make(float(schedule.active_fraction(1, n_agents)[0]))
            policy = tmf.TabularPolicy.uniform(game)
            own = {"promises": compiled(game, row, promises), "none": compiled(game, row, ())}
            wanted = tmf.evaluate(game, policy, schedule, n_agents)
            for one in own.values():
                found = tmf.evaluate(one, policy, schedule, n_agents)
                np.testing.assert_allclose(found.values, wanted.values, rtol=1e-9, atol=1e-9)
            for engine in ("counts", "agents"):
                each = 1 if schedule.label.startswith("seq") else 50 if n_agents < 10**6 else 2000
                replicas = max(1, STEPS // game.horizon // (each if engine == "agents" else 1))

                def seconds(one, n=n_agents, who=schedule, how=engine, times=replicas, play=policy):
                    return least(
                        lambda: tmf.simulate(one, play, who, n, replicas=times, engine=how, rng=1, threads=1)
                    )

                built_in = seconds(game)
                ratio = ", ".join(f"{name} {seconds(one) / built_in:.2f}" for name, one in own.items())
                per_step = built_in / replicas / game.horizon * 1e9
                print(f"{game.name:10} {schedule.label:12} N={n_agents:<8} {engine:7} {per_step:9.0f} ns: {ratio}")


def overhead():
    """Nanoseconds per row of an almost empty function, for whole tables."""
    import numba

    @numba.cfunc(SIGNATURE)
    def row(t, o, a, mu, p, reward, user):
        p[0] = 1.0
        reward[0] = 1.0
        return 0

    n_places, n_actions, horizon = 200, 19, 200
    successors = np.broadcast_to(np.arange(n_places)[:, None, None], (n_places, n_actions, 1))
    game = tmf.Game.compiled(row, n_places, n_actions, horizon, 1.0, np.full(n_places, 1 / n_places),
                             successors=successors, passive_successors=np.arange(n_places)[:, None],
                             constant_transition=True)  # fmt: skip
    still = tmf.Game(n_places, n_actions, horizon, 1.0, game.initial, np.ones((n_places, n_actions)),
                     np.ones((n_places, n_actions, 1)), passive_reward=1.0, successors=successors)  # fmt: skip
    policy = tmf.TabularPolicy.uniform(game)
    taken = [least(lambda one=one: tmf.evaluate(one, policy, tmf.Synchronous())) for one in (game, still)]
    rows = horizon * n_places * (n_actions + 1)
    print(f"per row of a table: {(taken[0] - taken[1]) / rows * 1e9:.1f} ns for the call, numba's entry and the check")


if __name__ == "__main__":
    overhead()
    ratios()
