"""Games written against pyspiel for the tests: what is refused, and what the end pays."""


import numpy as np
import pytest

import tmfcore as tmf
from peers import need
from spiel_cases import SYNCHRONOUS, Odd, Plain

pyspiel = need("pyspiel")

from open_spiel.python.mfg.games import normal_form_game  # noqa: F401  registers it

from tmfcore.interop import openspiel

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("chance", "has the reward 1.0 at the chance node"),
        ("earlier action", "on earlier states or populations"),
        ("earlier population", "on earlier states or populations"),
        ("early end", "ends earlier along some paths than along others"),
        ("legal", "the legal actions at .* depend on the last action"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(kind, reason):
    with pytest.raises(ValueError, match=reason):
        openspiel.from_game(Odd(kind))


def test_nothing_odd_is_taken():
    assert openspiel.from_game(Odd("nothing")).horizon == 3


def test_what_the_end_pays_for_the_last_action():
    """Also where it pays nothing for the first action that is tried."""
    game = openspiel.from_game(Plain("paid at the end"))
    assert tmf.exploitability(game, tmf.TabularPolicy.uniform(game), SYNCHRONOUS) == pytest.approx(1.0)


@pytest.mark.parametrize("action", range(3))
def test_chance_nodes_of_one_string_with_other_outcomes(action):
    """Outcomes that depend on what the string does not say are those of each way to it."""
    game = openspiel.from_game(Plain(f"outcomes of {action}"))
    table = np.zeros((2, game.n_observations, 3))
    table[..., action] = 1.0
    mu = tmf.mean_field(game, tmf.TabularPolicy(table), SYNCHRONOUS).mu
    assert sorted(mu[1][mu[1] > 0]) == [1.0]
    mu = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), SYNCHRONOUS).mu
    np.testing.assert_allclose(sorted(mu[1])[-6:], [1 / 9] * 5 + [4 / 9], atol=1e-12)


def test_other_shares_asked_for_along_another_way():
    with pytest.raises(ValueError, match=r"the support of the node .* depends on the path to it"):
        openspiel.from_game(Plain("support"))


def test_what_was_found_constant_is_held_in_use():
    """A transition that jumps where no population tried shows it: using the game there says so, sooner or later."""
    game = openspiel.from_game(Plain("crowded"))
    assert game.assumed
    names = openspiel._READ[game].reader.names[1]
    mu = 0.9 * np.eye(game.n_observations)[names["1,1,field", None]] + 0.1 / game.n_observations
    with pytest.raises(ValueError, match="depends on the population, which was not detected when the game was read"):
        _asked(game, [mu + 1e-6 * k * (1 / len(mu) - mu) for k in range(40)])


def _asked(game, populations):
    for mu in populations:
        game.tables(mu, 1)
