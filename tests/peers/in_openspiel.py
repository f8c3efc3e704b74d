"""OpenSpiel: a Python game made of our tables, and the answers of their algorithms about it.

    start (chance), then T times:   decide (t, x)  ->  pay (t, x, a), mean field  ->  blow, chance  ->  meet (t + 1, x), mean field

The reward r(x, a, mu_t) is that of the node "pay": what the tables there say is keyed by all that it depends on.
"""

import numpy as np

from peers import need
from peers.our_side import Answer, kernels_move
from peers.tables import Tables

pyspiel = need("pyspiel")
policies = need("open_spiel.python.policy")
Distribution = need("open_spiel.python.mfg.algorithms.distribution").DistributionPolicy
PolicyValue = need("open_spiel.python.mfg.algorithms.policy_value").PolicyValue
BestResponse = need("open_spiel.python.mfg.algorithms.best_response_value").BestResponse
NashConv = need("open_spiel.python.mfg.algorithms.nash_conv").NashConv
OnlineMirrorDescent = need("open_spiel.python.mfg.algorithms.mirror_descent").MirrorDescent
TheirFictitiousPlay = need("open_spiel.python.mfg.algorithms.fictitious_play").FictitiousPlay

KIND = pyspiel.GameType(
    short_name="tmfcore_tables",
    long_name="Tables",
    dynamics=pyspiel.GameType.Dynamics.MEAN_FIELD,
    chance_mode=pyspiel.GameType.ChanceMode.EXPLICIT_STOCHASTIC,
    information=pyspiel.GameType.Information.PERFECT_INFORMATION,
    utility=pyspiel.GameType.Utility.GENERAL_SUM,
    reward_model=pyspiel.GameType.RewardModel.REWARDS,
    max_num_players=1,
    min_num_players=1,
    provides_information_state_string=True,
    provides_information_state_tensor=False,
    provides_observation_string=True,
    provides_observation_tensor=False,
    parameter_specification={},
)

CHANCE, FIELD, TERMINAL = pyspiel.PlayerId.CHANCE, pyspiel.PlayerId.MEAN_FIELD, pyspiel.PlayerId.TERMINAL
START, DECIDE, PAY, BLOW, MEET = "start", "decide", "pay", "blow", "meet"
MOVER = {START: CHANCE, DECIDE: 0, PAY: FIELD, BLOW: CHANCE, MEET: FIELD}


class Now:
    """What a state knows. OpenSpiel deep-copies the attributes of a Python state: here one, copied by hand."""

    __slots__ = ("a", "game", "mu", "phase", "t", "x")

    def __init__(self, game, phase=START, t=0, x=0, a=0, mu=None) -> None:
        self.game, self.phase, self.t, self.x, self.a, self.mu = game, phase, t, x, a, mu

    def __deepcopy__(self, memo):
        return Now(self.game, self.phase, self.t, self.x, self.a, self.mu)


class Game(pyspiel.Game):
    """`every`: chance has outcomes of probability 0, too.

    Their solvers keep policies for the states met at one flow, and ask for them at another: where rows move with mu, what
    may be met must not.
    """

    def __init__(self, tables: Tables, every: bool = False) -> None:
        info = pyspiel.GameInfo(
            num_distinct_actions=tables.n_actions, max_chance_outcomes=tables.n_observations, num_players=1,
            min_utility=-np.inf, max_utility=np.inf, utility_sum=None, max_game_length=tables.horizon,
        )
        super().__init__(KIND, info, {})
        self.tables, self.every = tables, every

    def new_initial_state(self):
        return State(self)

    def make_py_observer(self, iig_obs_type=None, params=None):
        return Observer()

    def max_chance_nodes_in_history(self):
        return self.tables.horizon + 1


class State(pyspiel.State):
    def __init__(self, game: Game) -> None:
        super().__init__(game)
        self.now = Now(game, mu=game.tables.initial)

    def _legal_actions(self, player):
        return list(range(self.now.game.tables.n_actions))

    def chance_outcomes(self):
        now = self.now
        row = now.game.tables.initial if now.phase == START else self._tables()[1][now.x, now.a]
        places = range(len(row)) if now.game.every else np.flatnonzero(row)
        return [(int(x), float(row[x])) for x in places]

    def _tables(self):
        return self.now.game.tables(self.now.t, self.now.mu)

    def _apply_action(self, action):
        now = self.now
        if now.phase == START:
            now.x, now.phase = action, DECIDE
        elif now.phase == DECIDE:
            now.a, now.phase = action, PAY
        else:
            now.x, now.a, now.t, now.phase = action, 0, now.t + 1, MEET

    def distribution_support(self):
        now = self.now
        return [] if now.phase == PAY else [f"{MEET},{now.t},{x},0" for x in range(now.game.tables.n_observations)]

    def update_distribution(self, distribution):
        now = self.now
        if now.phase == PAY:
            now.phase = BLOW
        else:
            now.mu, now.phase = np.array(distribution), DECIDE

    def is_terminal(self):
        return self.now.phase == MEET and self.now.t == self.now.game.tables.horizon

    def current_player(self):
        return TERMINAL if self.is_terminal() else MOVER[self.now.phase]

    def rewards(self):
        now = self.now
        return [float(self._tables()[0][now.x, now.a]) if now.phase == PAY else 0.0]

    def returns(self):
        raise NotImplementedError("their mean-field algorithms add rewards up themselves")

    def _action_to_string(self, player, action):
        return str(action)

    def __str__(self):
        now = self.now
        return f"{now.phase},{now.t},{now.x},{now.a}"


class Observer:
    """What their tables are keyed by."""

    tensor, dict = np.zeros(1, np.float32), {}

    def set_from(self, state, player):
        """Nothing: the tensor is not used."""

    def string_from(self, state, player):
        return str(state)


class Rows(policies.Policy):
    """pi (T, S, A) at the states of `game`; `place` reads (t, x) off a state."""

    def __init__(self, game, pi: np.ndarray, place) -> None:
        super().__init__(game, [0])
        self.rows = [[dict(enumerate(row)) for row in stage] for stage in pi.tolist()]
        self.place = place

    def action_probabilities(self, state, player_id=None):
        t, x = self.place(state)
        return self.rows[t][x]


class Side:
    """Their answers about our tables; `lived` has the tables of the values where they differ from the flow's."""

    def __init__(self, tables: Tables, lived: Tables | None = None) -> None:
        self.tables = tables
        self.game = Game(tables)
        self.lived = self.game if lived is None else Game(lived)

    def policy(self, game: Game, pi: np.ndarray) -> Rows:
        return Rows(game, pi, lambda state: (state.now.t, state.now.x))

    def answer(self, pi: np.ndarray) -> Answer:
        horizon, size, n_actions = pi.shape
        flow = Distribution(self.game, self.policy(self.game, pi))
        policy = self.policy(self.lived, pi)
        value, best = PolicyValue(self.lived, flow, policy), BestResponse(self.lived, flow)
        known = value._state_value, best._state_value
        times, places = range(horizon), range(size)
        mu = np.array([[flow.value_str(f"{DECIDE},{t},{x},0", 0.0) for x in places] for t in times])
        values = [_read(k, [[f"{DECIDE},{t},{x},0" for x in places] for t in times]) for k in known]
        keys = [[[f"{PAY},{t},{x},{a}" for a in range(n_actions)] for x in places] for t in times]
        qs = [_read(k, keys) for k in known]
        start = self.lived.new_initial_state()
        gap = best.eval_state(start) - value.eval_state(start)
        if self.lived is self.game:
            gap = NashConv(self.game, policy).nash_conv()
        scale = self.tables.discount ** np.arange(horizon)
        values, qs = [v / scale[:, None] for v in values], [q / scale[:, None, None] for q in qs]
        return Answer(mu, *values, *qs, gap)

    def mirror_descent(self, rate: float, iterations: int) -> np.ndarray:
        game = self._to_solve()
        return curve(OnlineMirrorDescent(game, lr=rate), game, iterations)

    def fictitious_play(self, iterations: int, initial: np.ndarray) -> np.ndarray:
        game = self._to_solve()
        solver = TheirFictitiousPlay(game)
        solver._policy = self.policy(game, initial)
        return curve(solver, game, iterations)

    def _to_solve(self) -> Game:
        return Game(self.tables, kernels_move(self.tables.game))


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
