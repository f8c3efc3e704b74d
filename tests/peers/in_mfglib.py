"""MFGLib: an Environment, theirs or made of our tables (interop.mfglib.to_environment), and their answers about it."""

import contextlib

import numpy as np

from peers import need
from peers.our_side import Answer

torch = need("torch")
alg = need("mfglib.alg")  # before mfglib.scoring, which it imports in a circle
q_fn = need("mfglib.alg.q_fn")
scoring = need("mfglib.scoring")
utils = need("mfglib.utils")
Environment = need("mfglib.env").Environment


@contextlib.contextmanager
def float64():
    """MFGLib works in torch's default type."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


class Side:
    """Their answers about the flow of `env` and the values of `lived`, by default the same; `discount` ours.

    actions[b] is our number of their action b; None where they are numbered alike.
    """

    def __init__(self, env, lived=None, discount: float = 1.0, actions=None) -> None:
        self.env, self.lived = env, lived or env
        self.actions = np.arange(env.n_actions) if actions is None else np.array(actions)
        self.shape = (env.T + 1, env.n_states, env.n_actions)
        self.scale = discount ** np.arange(env.T + 1)[:, None, None]

    def tensor(self, pi: np.ndarray):
        return torch.tensor(pi[..., self.actions].reshape(self.env.T + 1, *self.env.S, *self.env.A))

    def answer(self, pi: np.ndarray) -> Answer:
        there = self.tensor(pi)
        law = utils.mean_field_from_policy(there, env=self.env)
        values = q_fn.QFn(self.lived, law)
        q, best = (x.numpy().reshape(self.shape) for x in (values.for_policy(there), values.optimal()))
        gap = scoring.exploitability_score(self.env, there)
        if self.lived is not self.env:  # their score knows one game only
            first = best[0].max(axis=-1) - (pi[0][:, self.actions] * q[0]).sum(axis=-1)
            gap = float(self.env.mu0.numpy().ravel() @ first)
        back = np.argsort(self.actions)
        q, best = q[..., back] / self.scale, best[..., back] / self.scale
        mu = law.numpy().reshape(self.shape).sum(axis=-1)
        return Answer(mu, (pi * q).sum(axis=-1), best.max(axis=-1), q, best, gap)

    def mirror_descent(self, rate: float, iterations: int) -> np.ndarray:
        return self._curve(alg.OnlineMirrorDescent(alpha=rate), iterations, "uniform")

    def fictitious_play(self, iterations: int, initial: np.ndarray) -> np.ndarray:
        return self._curve(alg.FictitiousPlay(), iterations, self.tensor(initial))

    def _curve(self, solver, iterations: int, initial) -> np.ndarray:
        _, scores, _ = solver.solve(self.env, pi_0=initial, max_iter=iterations, atol=None, rtol=None)
        return np.array(scores)
