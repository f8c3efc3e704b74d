"""Goals of the rows: largest times of tmfcore, and how many times faster than others it must be, at full size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """What a row must meet.

    Parameters
    ----------
    most : float or None
        Most seconds per unit for tmfcore, with AVX-512.
    least : mapping
        Label of a contestant -> smallest ratio of its time to tmfcore's.
    most_avx2 : float or None
        Like `most` for a machine without AVX-512, if it differs.
    less : str
        Label of the line whose time is subtracted before it is compared with `most`: that of the user's own code.
    """

    most: float | None = None
    least: Mapping[str, float] = field(default_factory=dict)
    most_avx2: float | None = None
    less: str = ""


_RECORDED = {"numpy alias": 8, "numpy searchsorted": 40, "numba alias": 1.5, "JAX alias": 5}
_AVERAGED = {"numpy alias": 10, "JAX alias": 8}
_NOBODY = {"numba alias": 1, "numba usual": 1, "Python loop": 1, "Python with numpy": 1}
_COUNTED = {"numba counts": 1, "numba usual": 1, "Python loop": 1, "Python with numpy": 1}
_ALONE = {"numba": 1, "numba usual": 1}
_GRADIENT = {"numpy alias": 30, "numpy searchsorted": 30, "torch alias, table": 100, "torch Categorical": 100}
_CLASSES = ("alone", "monotone", "potential", "coupled")
_SOLVE = Goal(least={"numpy mirror descent": 1, "numpy backward induction": 1, "MFGLib": 1})
_OWN = "the game's own functions"

GOALS: dict[str, Goal] = {
    "agents-8": Goal(1.3e-9, _RECORDED, 1.8e-9),
    "agents-64": Goal(1.3e-9, _RECORDED, 1.8e-9),
    "agents-512": Goal(2.2e-9, _RECORDED, 3e-9),
    "mu-8": Goal(0.5e-9, _AVERAGED, 1.5e-9),
    "mu-64": Goal(1.1e-9, _AVERAGED, 1.5e-9),
    "mu-512": Goal(1.6e-9, _AVERAGED, 2.1e-9),
    **{f"threads-{size}": Goal(least={"tmfcore, 1 thread": 1.7}) for size in (8, 64, 512)},
    "sequential-agents-8": Goal(7e-9, _NOBODY),
    "sequential-agents-64": Goal(7e-9, _NOBODY),
    "sequential-counts-8": Goal(12e-9, _COUNTED),
    "sequential-counts-64": Goal(18e-9, _COUNTED),
    "sequential-small": Goal(7e-9, {"numba alias": 1, "mesa": 1, "rmftool": 1}),
    "replicas-8": Goal(3e-9, {"numba": 4}),
    "replicas-64": Goal(8e-9, {"numba": 4}),
    "replicas-batch": Goal(3e-9, {"numba": 4}),
    "batch-32": Goal(14e-9, {"numpy choice": 60, "numpy, batches ahead": 60}),
    "batch-1024": Goal(14e-9, {"numpy choice": 10, "numpy, batches ahead": 10}),
    "affine-2": Goal(10e-9, _ALONE),
    "affine-8": Goal(12e-9, _ALONE),
    "affine-64": Goal(14e-9, _ALONE),
    "pairwise-2": Goal(None, {**_ALONE, "EGTtools": 1}),
    "pairwise-5": Goal(None, {**_ALONE, "EGTtools": 1}),
    "epidemic": Goal(20e-9, {"GillesPy2": 7, "numba SSA": 1}),
    "clocks": Goal(25e-9, {"GillesPy2": 6, "numba SSA": 1}),
    "rare-mutation": Goal(0.1e-9, {"EGTtools": 1, "numba": 1}),
    **{f"counts-{size}": Goal(least={"numpy multinomial": 3}) for size in (8, 64, 512)},
    "counts-mu-8": Goal(2e-6, {"numpy multinomial": 3}),
    "counts-mu-64": Goal(90e-6, {"numpy multinomial": 3}),
    "counts-mu-512": Goal(6e-3, {"numpy multinomial": 3}),
    "counts-any-n": Goal(least={"tmfcore, N=1e+08": 0.9}),
    "auto-few": Goal(least={"tmfcore, counts": 0.9, "tmfcore, agents": 0.9}),
    "auto-many": Goal(least={"tmfcore, counts": 0.9, "tmfcore, agents": 0.9}),
    "bernoulli": Goal(1.0),
    "flow-8": Goal(0.15e-6, {"numpy": 15, "numpy, averaged kernel": 15}),
    "flow-64": Goal(2.5e-6, {"numpy": 2, "numpy, averaged kernel": 2}),
    "values-8": Goal(0.15e-6, {"numpy": 15}),
    "values-64": Goal(2.5e-6, {"numpy": 2}),
    "push-forward": Goal(5e-6),
    "push-forward-mu": Goal(5e-6),
    "gradient-8": Goal(2e-9, _GRADIENT),
    "gradient-64": Goal(2e-9, _GRADIENT),
    "tmfpg-resources": Goal(4e-3),
    "tmfpg-queueing": Goal(4e-3),
    "mirror-descent": Goal(least={"MFGLib": 100, "OpenSpiel Python": 1000, "OpenSpiel C++, like game": 1000}),
    **dict.fromkeys((f"solve-{name}-{share}" for name in _CLASSES for share in ("0.01", "0.0001")), _SOLVE),
    "python-flow": Goal(5e-6, less=_OWN),
    "python-simulate": Goal(5e-6, less=_OWN),
    "call-simulate": Goal(30e-6),
    "call-mean_field": Goal(12e-6),
    "call-exploitability": Goal(7e-6),
    "call-solve": Goal(60e-6),
    "call-Game": Goal(30e-6),
}
