"""Dynamic queueing: wait at one of K servers, or go to another; in a longer queue each job is served more slowly."""

from __future__ import annotations

from functools import partial

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._queues import Queueing
from tmfcore.games._shelf import Page, shelf

__all__ = ["queueing"]


@shelf(
    "Jobs wait at servers of different capacity; in a longer queue each job is served more slowly, and served agents "
    "are idle again.",
    small={"capacities": [0.1, 0.25, 0.3], "horizon": 6, "initial": [0.6, 0.3, 0.1, 0.0]},
    page=Page(
        "All agents are idle at first. Queues then fill in proportion to the capacities of their servers: 0.1, 0.2 and "
        "0.3 jobs per agent and sweep.",
        options="--batch 10",
    ),
)  # fmt: skip
@fits_memory("capacities must be shorter", asks=True)
def queueing(
    capacities: FloatsLike = (0.1, 0.2, 0.3),
    *,
    service_reward: float = 1.0,
    waiting_cost: float = 0.1,
    jockeying_cost: float = 0.05,
    horizon: float = 20,
    discount: float = 0.95,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """K servers: join one, wait, or change to another (Theory, section 8).

    Observation 0 is idle, j is waiting at server j; action 0 stays, j goes to server j. Server j completes each of its
    jobs at the rate d_j(mu) = s_j / (s_j + mu(j)) per sweep (d_0 = 0). The agent then earns R and is idle.

        r0(0, mu) = 0,   r0(j, mu) = dt (R d_j - w),   P0(0|0) = 1,   P0(0|j) = dt d_j,   P0(j|j) = 1 - dt d_j

    For an agent acting at o, with target x = o if a = 0 else a, service comes first; if the job is not done, it moves:

        r(o, a, mu) = r0(o, mu) - k 1{o != 0, x != o},   P(0|o, a) += dt d_o,   P(x|o, a) += 1 - dt d_o

    Parameters
    ----------
    capacities : (K,) floats, optional
        s_j > 0, jobs per agent and sweep.
    service_reward : float, optional
        R, per completed job.
    waiting_cost : float, optional
        w >= 0, per sweep at a server.
    jockeying_cost : float, optional
        k >= 0, per change of server. Joining from idle is free.
    initial : (K+1,) floats or None, optional
        mu_0. None: all agents idle.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        S = A = K + 1; observations "idle", "server 1", ...; actions "stay", "server 1", ...; name "queueing".
        Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.games.queueing([0.1, 0.2, 0.3])
    Game('queueing', S=4, A=4, T=20 sweeps, discount=0.95)
    """
    capacity = check.as_float_array(
        capacities, "capacities", shape=(None,), letters="K", low=0.0, low_open=True
    )
    needed = {"successors": (20, len(capacity) + 1, len(capacity) + 1, 2)}
    needs.ask(needed)
    paid = check.as_float(service_reward, "service_reward")
    waiting = check.as_float(waiting_cost, "waiting_cost", low=0.0)
    jockeying = check.as_float(jockeying_cost, "jockeying_cost", low=0.0)
    mu = _sweeps.start(initial, len(capacity) + 1)
    servers = tuple(f"server {j + 1}" for j in range(len(capacity)))
    return _sweeps.in_sweeps(
        partial(queueing, capacities=capacity, service_reward=paid, waiting_cost=waiting, jockeying_cost=jockeying),
        lambda dt, n_steps: Queueing(capacity, paid, waiting, jockeying, dt),
        horizon, discount, initial, step, mu=mu, needed=needed,
        observation_labels=("idle", *servers), action_labels=("stay", *servers),
    )  # fmt: skip
