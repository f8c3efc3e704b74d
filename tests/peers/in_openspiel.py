"""OpenSpiel: a game made of our tables (interop.openspiel.to_game), and the answers of their algorithms about it."""

import numpy as np

import tmfcore as tmf
from peers import need
from peers.our_side import Answer

need("pyspiel")
Distribution = need("open_spiel.python.mfg.algorithms.distribution").DistributionPolicy
PolicyValue = need("open_spiel.python.mfg.algorithms.policy_value").PolicyValue
BestResponse = need("open_spiel.python.mfg.algorithms.best_response_value").BestResponse
NashConv = need("open_spiel.python.mfg.algorithms.nash_conv").NashConv
OnlineMirrorDescent = need("open_spiel.python.mfg.algorithms.mirror_descent").MirrorDescent
TheirFictitiousPlay = need("open_spiel.python.mfg.algorithms.fictitious_play").FictitiousPlay
openspiel = need("tmfcore.interop.openspiel")


class Side:
    """Their answers about `game` under `schedule`: on the clock "always" the values are those of everybody acting."""

    def __init__(self, game: tmf.Game, schedule, clock: str = "schedule") -> None:
        self.game, self.discount = openspiel.to_game(game, schedule), game.discount
        self.lived = openspiel.to_game(game) if clock == "always" else self.game

    def policy(self, game, pi: np.ndarray):
        return openspiel.to_policy(tmf.TabularPolicy(pi), game)

    def answer(self, pi: np.ndarray) -> Answer:
        horizon, size, n_actions = pi.shape
        flow = Distribution(self.game, self.policy(self.game, pi))
        policy = self.policy(self.lived, pi)
        value, best = PolicyValue(self.lived, flow, policy), BestResponse(self.lived, flow)
        known = value._state_value, best._state_value
        times, places = range(horizon), range(size)
        mu = np.array([[flow.value_str(f"decide,{t},{x},0", 0.0) for x in places] for t in times])
        values = [_read(k, [[f"decide,{t},{x},0" for x in places] for t in times]) for k in known]
        keys = [[[f"pay,{t},{x},{a}" for a in range(n_actions)] for x in places] for t in times]
        qs = [_read(k, keys) for k in known]
        start = self.lived.new_initial_state()
        gap = best.eval_state(start) - value.eval_state(start)
        if self.lived is self.game:
            gap = NashConv(self.game, policy).nash_conv()
        scale = self.discount ** np.arange(horizon)
        values, qs = [v / scale[:, None] for v in values], [q / scale[:, None, None] for q in qs]
        return Answer(mu, *values, *qs, gap)

    def mirror_descent(self, rate: float, iterations: int) -> np.ndarray:
        game = openspiel.to_game(self.game.tables.game, self.game.schedule)
        return curve(OnlineMirrorDescent(game, lr=rate), game, iterations)

    def fictitious_play(self, iterations: int, initial: np.ndarray) -> np.ndarray:
        game = openspiel.to_game(self.game.tables.game, self.game.schedule)
        solver = TheirFictitiousPlay(game)
        solver._policy = self.policy(game, initial)
        return curve(solver, game, iterations)


def curve(solver, game, iterations: int, frozen: bool = False) -> np.ndarray:
    """NashConv of the first policy and of every iterate.

    The policy of their mirror descent reads its logits from the table that the next iteration adds to while it values
    that policy: where decision nodes share a successor, one of them is valued by logits of which some are of this
    iteration. `frozen` copies the policy into a table in between.
    """
    found = [NashConv(game, solver.get_policy()).nash_conv()]
    for _ in range(iterations):
        solver.iteration()
        if frozen:
            solver._policy = solver._policy.to_tabular()
        found.append(NashConv(game, solver.get_policy()).nash_conv())
    return np.array(found)


def _read(known, keys) -> np.ndarray:
    """Values by state string, NaN where they went nowhere near."""
    keys = np.array(keys)
    found = [known(str(key)) if known.has(str(key)) else np.nan for key in keys.ravel()]
    return np.array(found, dtype=np.float64).reshape(keys.shape)
