"""Cyber security: computers of several types, infected by each other and from outside, with a defence at a cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._limit.sizes import Needs
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._cyber_security import CyberSecurity
from tmfcore.games._shelf import Page, shelf

__all__ = ["cyber_security"]


@shelf(
    "Private and corporate computers infect each other; owners switch a defence on or off, which costs, and a wish to "
    "switch is carried out at random only.",
    small={
        "switching": 0.6, "horizon": 6, "initial": [0.05, 0.3, 0.02, 0.13, 0.2, 0.1, 0.05, 0.15],
    },
    page=Page(
        "An eighth of all agents are in each state at first. Soon most private computers are defended, which they pay "
        "less for, and no corporate one, since the others' defence keeps infections rare enough. Near the end a "
        "defence no longer pays, and infections rise.",
    ),
)  # fmt: skip
@fits_memory("contagion must be of fewer types", asks=True)
def cyber_security(
    switching: float = 0.3,
    *,
    attack: FloatsLike = ((0.005, 0.01), (0.005, 0.01)),
    contagion: FloatsLike = (((0.2, 0.3), (0.9, 1.0)), ((0.1, 0.2), (0.7, 0.8))),
    recovery: FloatsLike = ((0.4, 0.3), (0.4, 0.3)),
    defence_cost: FloatsLike = (0.6, 0.7),
    infection_cost: FloatsLike = (2.0, 2.0),
    names: Sequence[str] = ("private", "corporate"),
    horizon: int = 50,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
) -> Game:
    """Defend a computer or not, in an epidemic of malware (Kolokoltsov and Bensoussan, arXiv:1511.06642; M types).

    An observation is a type m, a defence u (0 defended, 1 not) and infected or susceptible. Action 1 is the wish to
    switch the defence, which is carried out with probability l, at random. In the same step, and independently of it,

        an infected agent recovers    with probability  q(m, u)
        a susceptible one is infected with probability  1 - (1 - w(m, u)) (1 - b(m, u, 0) g(0)) (1 - b(m, u, 1) g(1))
        r(o, a) = r0(o) = -D(m) 1{u = 0} - I(m) 1{infected},    P0(. | o, mu) = P(. | o, 0, mu)

    where u is the defence at the start of the step, and g(v) the share of all agents that are infected and have the
    defence v. Agents keep their type. Agents that do not act are treated as if they kept their defence.

    Parameters
    ----------
    switching : float, optional
        l in [0, 1].
    attack : (M, 2) floats, optional
        w in [0, 1], by type and defence: infections from outside.
    contagion : (M, 2, 2) floats, optional
        b in [0, 1], by type, own defence and defence of the infected.
    recovery : (M, 2) floats, optional
        q in [0, 1], by type and defence.
    defence_cost, infection_cost : (M,) floats, optional
        D and I, per step.
    names : sequence of M different strings, optional
        Of the types.
    horizon : int, optional
        T in steps; a step takes the same time under every schedule.
    discount : float, optional
        gamma in [0, 1], per step.
    initial : (4 M,) floats or None, optional
        mu_0, by type: defended infected, defended susceptible, undefended infected, undefended susceptible. None:
        uniform.

    Returns
    -------
    Game
        S = 4 M, A = 2, K = 4; observations "private: defended infected", ...; actions "keep", "switch"; name
        "cyber_security". Compiled; rewards do not depend on mu, transitions do.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    The original has one type, in continuous time. The defaults, and the form in steps with two types, are those of the
    public code ChrFabian/Learning_sparse_GMFGs (HeterogeneousCyberGraphon), where agents see their neighbours on a
    graph; here they see everybody. w is 0.1 times 0.05 and 0.1. The rewards of that code charge private computers the
    corporate defence cost, and the other way round; here each type pays its own, and the page's equilibrium changes
    sides with defence_cost=(0.7, 0.6). Stationary equilibria of several types, whose kernels depend on the
    distributions of all, are the subject of arXiv:2012.15377, which has an example of cyber security with numbers of
    its own.

    A wish that is carried out with probability l is an action under `Bernoulli(l)`: with switching=1 that schedule
    plays the same game as everybody does here.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.cyber_security()
    >>> found = tmf.solve(game, tmf.Synchronous())
    >>> late = found.flow.mu[40].reshape(2, 2, 2)       # by type, defence, health
    >>> {name: round(float(part[1].sum() / part.sum()), 1) for name, part in zip(("private", "corporate"), late)}
    {'private': 0.2, 'corporate': 1.0}
    """
    carried = check.as_float(switching, "switching", low=0.0, high=1.0)
    spread = check.as_float_array(contagion, "contagion", shape=(None, 2, 2), letters="M, 2, 2", low=0.0, high=1.0)
    n_types = len(spread)
    size = 4 * n_types
    needed: Needs = {"rows and rewards": (200, size), "vectors and labels": (200, size)}
    needs.ask(needed)
    outside = check.as_float_array(attack, "attack", shape=(n_types, 2), letters="M, 2", low=0.0, high=1.0)
    cure = check.as_float_array(recovery, "recovery", shape=(n_types, 2), letters="M, 2", low=0.0, high=1.0)
    defence = check.as_float_array(defence_cost, "defence_cost", shape=(n_types,), letters="M")
    illness = check.as_float_array(infection_cost, "infection_cost", shape=(n_types,), letters="M")
    called = check.as_labels(names, "names", n_types)
    mu = _sweeps.start(initial, size, even=True)
    steps = check.as_positive_int(horizon, "horizon")
    gamma = check.as_float(discount, "discount", low=0.0, high=1.0)
    cost = np.stack([defence + illness, defence, illness, np.zeros(n_types)], axis=1).ravel()
    states = ("defended infected", "defended susceptible", "undefended infected", "undefended susceptible")
    return Game._trusted(
        CyberSecurity(carried, outside, spread, cure, cost), steps, gamma, mu,
        name="cyber_security", observation_labels=tuple(f"{name}: {state}" for name in called for state in states),
        action_labels=("keep", "switch"),
        recipe=partial(
            cyber_security, switching=carried, attack=outside, contagion=spread, recovery=cure, defence_cost=defence,
            infection_cost=illness, names=called, horizon=steps, discount=gamma,
            initial=None if initial is None else mu,
        ),
    )  # fmt: skip
