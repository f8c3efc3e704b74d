"""An option that has no effect beside another is an error; what is not given is resolved, and seen in repr."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore import plotting
from tmfcore._base import options
from tmfcore._base import validation as check
from tmfcore.solvers import TMFPG, FictitiousPlay, FixedPoint, MirrorDescent, Stationary
from tmfcore.solvers._registry import SOLVERS

GAME = tmf.games.queueing(horizon=3)
POLICY = tmf.TabularPolicy.uniform(GAME)
SYNCHRONOUS = tmf.Synchronous()


def course():
    return plotting.Course(np.arange(4.0), np.full((4, 2), 0.5))


def fluctuations():
    return tmf.analysis.fluctuations(GAME, POLICY, SYNCHRONOUS, 50)


LABELS = ["a", "b"]

# Option, what makes it meaningless, and a call with both.
PAIRS = [
    ("min_improvement", "patience is None", lambda: MirrorDescent(min_improvement=0.01)),
    ("min_improvement", "patience is None", lambda: TMFPG(min_improvement=0.5)),
    ("learning_rate_decay", "learning_rate is None", lambda: MirrorDescent(learning_rate_decay="constant")),
    ("learning_rate_decay", "learning_rate is None", lambda: Stationary(learning_rate_decay=lambda k: 1.0)),
    ("decay_iterations", "learning_rate_decay is None", lambda: MirrorDescent(decay_iterations=10)),
    ("decay_iterations", "'constant'", lambda: MirrorDescent(learning_rate=1.0, decay_iterations=10)),
    ("decay_iterations", "'linear'", lambda: TMFPG(learning_rate_decay="linear", decay_iterations=10)),
    ("decay_iterations", "a function", lambda: FixedPoint(weight_decay=lambda k: 1.0, decay_iterations=2)),
    ("decay_iterations", "'constant'", lambda: FixedPoint(weight_decay="constant", decay_iterations=2)),
    ("average", "weight is 0.5", lambda: FictitiousPlay(weight=0.5, average=0.0)),
    ("betas", "optimizer is 'sgd'", lambda: TMFPG(optimizer="sgd", betas=(0.5, 0.99))),
    ("betas", "optimizer is 'normalized'", lambda: TMFPG(optimizer="normalized", betas=(0.9, 0.999))),
    ("betas", "optimizer is 'normalized'", lambda: TMFPG(critic="returns", betas=(0.9, 0.999))),
    ("replicas", "n_agents is None", lambda: TMFPG(replicas=4).solve(GAME, SYNCHRONOUS)),
    ("decay_iterations", "learning_rate_decay is None", lambda: tmf.tune(
        GAME, SYNCHRONOUS, space={"decay_iterations": (1, 9)}
    )),
    ("bar", "worth is", lambda: tmf.games.beach_bar(5, bar=2, worth=np.ones(5))),
    ("markers", "simulation is None", lambda: fluctuations().plot(markers=20)),
    ("goal_label", "goal is None", lambda: plotting.exploitability({"a": ([0, 1], [1.0, 0.5])}, goal_label="goal")),
    ("marker_every", "measured is None", lambda: plotting.fluctuations(
        [0, 1], np.zeros((2, 2)), np.zeros((2, 2)), LABELS, marker_every=1
    )),
    ("names", "field is None", lambda: plotting.lines(course(), LABELS, names=("x", "y"))),
    ("names", "field is None", lambda: plotting.profiles(course(), LABELS, names=("x", "y"))),
    ("names", "field is None", lambda: plotting.over_time(course(), LABELS, kind="heat", names=("x", "y"))),
    ("replicas", "kind is 'heat'", lambda: plotting.over_time(
        course(), LABELS, kind="heat", replicas=np.full((2, 4, 2), 0.5)
    )),
    ("replicas", "kind is 'profiles'", lambda: plotting.over_time(
        course(), LABELS, kind="profiles", replicas=np.full((2, 4, 2), 0.5)
    )),
]  # fmt: skip


@pytest.mark.parametrize(("option", "why", "call"), PAIRS, ids=[f"{option}, {why} {i}" for i, (option, why, _) in enumerate(PAIRS)])
def test_an_option_without_effect_is_an_error(option, why, call):
    if option == "decay_iterations" and why.startswith("learning_rate_decay is None"):
        pytest.importorskip("optuna", reason="extra `tune`")
    with pytest.raises(ValueError, match=f"^{option} is .*; must be omitted if .*{why}"):
        call()


@pytest.mark.parametrize("name", list(SOLVERS))
def test_every_dependent_field_is_refused_and_resolved(name):
    """By the metadata of the fields themselves: no option of a solver is forgotten here."""
    kind = SOLVERS[name].solver
    for field in dataclasses.fields(kind):
        for on, among in field.metadata.get("on", {}).items():
            assert field.default is None and field.name in kind.__dataclass_fields__ and on in kind.__dataclass_fields__
            assert among
            names = [each.name for each in dataclasses.fields(kind)]
            assert names.index(on) < names.index(field.name), "what an option depends on is resolved before it"
    assert kind() == dataclasses.replace(kind()) == pickle.loads(pickle.dumps(kind()))
    assert repr(kind()).startswith(f"{name}(iterations=") and "patience=None, min_improvement=None" in repr(kind())
    assert "patience=3, min_improvement=0.01" in repr(kind(patience=3))
    assert kind(patience=3).settings["min_improvement"] == 0.01 and kind(patience=3).min_improvement is None


def test_what_is_not_given_is_seen():
    assert "optimizer='adam', betas=(0.5, 0.99)" in repr(TMFPG()) and "decay_iterations=10" in repr(TMFPG())
    assert "optimizer='normalized', betas=None" in repr(TMFPG(critic="returns"))
    assert "optimizer='adam', betas=(0.5, 0.99)" in repr(TMFPG(critic="returns", gradient="plain"))
    sgd = dataclasses.replace(TMFPG(), optimizer="sgd")  # betas were not given, so that this is no error
    assert sgd.settings["betas"] is None and sgd == TMFPG(optimizer="sgd")
    assert "decay_iterations=2" in repr(FixedPoint()) and "decay_iterations=None" in repr(FixedPoint(weight_decay="linear"))
    found = MirrorDescent(learning_rate=0.5, iterations=1, tolerance=None).solve(GAME, SYNCHRONOUS)
    assert found.solver["learning_rate_decay"] == "constant" and found.solver["decay_iterations"] is None


def test_the_mechanism():
    @dataclasses.dataclass(frozen=True)
    class Settings:
        colour: str | None = dataclasses.field(default=None, metadata=options.of(check.as_string))
        width: int | None = dataclasses.field(
            default=None, metadata=options.of(check.as_positive_int) | options.needs(3, colour=("red", "blue"))
        )

    assert options.resolved(Settings()) == {"colour": None, "width": None}
    assert options.resolved(Settings("red")) == {"colour": "red", "width": 3}
    assert options.resolved(Settings("red", 5)) == {"colour": "red", "width": 5}
    with pytest.raises(ValueError, match=r"^width is 5; must be omitted if colour is 'green': it needs colour='red' or 'blue'$"):
        options.resolved(Settings("green", 5))
    made = Settings("blue", 2.0)
    options.settle(made)
    assert type(made.width) is int
    with pytest.raises(ValueError, match="width is 0; must be >= 1"):
        options.settle(Settings("blue", 0))
    assert options.required("a", None, "b", np.zeros(3), options.GIVEN) and not options.required("a", None, "b", np.zeros(3), (None,))
