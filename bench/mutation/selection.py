"""Which tests hold which module, under tests/: those that were written for it first.

`tests/test_mutation_bench.py` holds this list to the tree. A module is a path below python/tmfcore, or the name of a
kernel's file, or of a C header. A wrong header is built into the kernels that HEADERS names for it, and into no others.
"""

from __future__ import annotations

from pathlib import Path

from . import ROOT

_SOLVERS = ("loop", "solvers", "solver_details", "tmfpg")
_ENGINES = ("agents_engine", "engines_agree", "averaged_rows")

_TESTS: dict[str, tuple[str, ...]] = {
    "__init__.py": ("package",),
    "__main__.py": ("cli",),
    "_about.py": ("package", "instruction_sets", "cli"),
    "_appearance.py": ("plots", "cli"),
    "_costs.py": ("costs",),
    "_files.py": ("files",),
    "_fingerprint.py": ("fingerprint", "belonging"),
    "_frames.py": ("frames",),
    "_functions.py": ("rng", "game", "policy", "schedule"),
    "_native.py": ("ways_in", "game"),
    "_progress.py": ("simulate", "solvers", "tune", "cli"),
    "_promises.py": ("ways_in", "check_game", "game"),
    "_records.py": ("files", "validation", "simulate"),
    "_rng.py": ("rng",),
    "_threads.py": ("simulate", "invariants", "convergence_study"),
    "_validation.py": ("validation", "game", "invariants"),
    "_arrays.py": ("validation", "game"),
    "_scalars.py": ("validation",),
    "_wording.py": ("validation", "ways_in", "game", "cli"),
    "analysis": ("monotonicity", "claims", "convergence_study", "fluctuations"),
    "analysis/_line.py": ("convergence_study", "intervals"),
    "analysis/bound.py": ("convergence_study", "monotonicity", "intervals"),
    "analysis/convergence.py": ("convergence_study", "intervals"),
    "analysis/fluctuations.py": ("fluctuations",),
    "cli": ("cli", "gamefile"),
    "cli/reproduce.py": ("cli", "reproduce"),
    "equilibrium.py": ("equilibrium", "belonging", "values", "invariants"),
    "fit": ("fit", "intervals"),
    "finite.py": ("finite", "intervals"),
    "game.py": ("game", "ways_in", "validation", "games", "flow"),
    "gamefile.py": ("gamefile",),
    "games": ("games", "invariants"),
    "games/_coupling.py": ("coupling", "typed"),
    "games/_network.py": ("routing",),
    "games/_sweeps.py": ("games",),
    "games/affine.py": ("affine",),
    "games/beach_bar.py": ("rows", "crowd_games", "games"),
    "games/building_evacuation.py": ("rows", "crowd_games"),
    "games/crowd_aversion.py": ("rows", "crowd_games"),
    "games/crowd_motion.py": ("rows", "crowd_games"),
    "games/garnet.py": ("rows", "small_games", "affine"),
    "games/joint.py": ("joint",),
    "games/left_right.py": ("rows", "small_games",),
    "games/linear_quadratic.py": ("linear_quadratic",),
    "games/queueing.py": ("games",),
    "games/resource_selection.py": ("games",),
    "games/rock_paper_scissors.py": ("rows", "small_games",),
    "games/routing.py": ("routing",),
    "games/sioux_falls.py": ("routing",),
    "games/susceptible_infected.py": ("rows", "small_games",),
    "games/typed.py": ("typed", "coupling"),
    "interop": ("interop_gymnasium", "interop_pettingzoo", "interop_mfglib", "interop_openspiel", "package"),
    "meanfield.py": ("fingerprint", "meanfield", "flow", "values", "frames", "files", "plots"),
    "plotting": ("plotting", "plots"),
    "policy.py": ("policy", "game", "flow", "invariants"),
    "reproduce": ("reproduce", "cli"),
    "schedule.py": ("schedule", "invariants"),
    "simulate.py": ("fingerprint", "simulate", "counts_engine", "invariants", "frames", "plots", "costs"),
    "solvers": _SOLVERS,
    "solvers/mfomo.py": ("solver_details", "solvers"),
    "solvers/stationary.py": ("solver_details", "solvers"),
    "solvers/tmfpg.py": ("tmfpg_parts", "unbiased", "tmfpg"),
    "solvers/tuning.py": ("tune",),
    "testing.py": ("check_game",),
    "_affine.pyx": ("rows", "affine", "small_games", "coupling", "typed", "monotonicity"),
    "_agents.pyx": ("individual_rewards", "exchangeable", "kernel_limits", *_ENGINES, "simulate", "invariants"),
    "_alias.pyx": ("kernel_limits", "sampling", "agents_engine", "averaged_rows", "engines_agree"),
    "_counts.pyx": ("counts_engine", "engines_agree", "averaged_rows", "simulate", "invariants"),
    "_crowd.pyx": ("rows", "crowd_games",),
    "_descent.pyx": ("solvers",),
    "_evaluator.pyx": ("game", "flow", "values", "equilibrium", "engines_agree"),
    "_few.pyx": ("individual_rewards", "counts_engine", *_ENGINES, "invariants"),
    "_flow.pyx": ("flow", "values", "meanfield", "equilibrium"),
    "_fluctuations.pyx": ("fluctuations",),
    "_games.pyx": ("rows", "games", "flow"),
    "_gradient.pyx": ("gradient", "unbiased", "tmfpg"),
    "_individuals.pyx": ("individuals", "exchangeable", "interop_pettingzoo"),
    "_linear_quadratic.pyx": ("rows", "linear_quadratic",),
    "_model.pyx": ("rows", "game", "ways_in", "flow", "values"),
    "_observed.pyx": ("gradient", "unbiased", "tmfpg_parts", "tmfpg"),
    "_occupation.pyx": ("solvers",),
    "_passive.pyx": ("engines_agree", "averaged_rows", "agents_engine", "counts_engine", "simulate"),
    "_policy.pyx": ("policy", "singles", "engines_agree", "gradient", "flow", "values"),
    "_push.pyx": ("flow", "values"),
    "_routing.pyx": ("rows", "routing",),
    "_sampling.pyx": ("sampling", "sampling_laws", "engines_agree"),
    "_schedule.pyx": ("schedule", "engines_agree", "counts_engine", "agents_engine"),
    "_singles.pyx": ("singles", "engines_agree", "counts_engine", "agents_engine"),
    "_stationary.pyx": ("solver_details", "solvers",),
    "_tagged.pyx": ("finite", "interop_gymnasium"),
    "_tiles.pyx": ("individual_rewards", "instruction_sets", *_ENGINES, "simulate"),
    "_typed.pyx": ("rows", "typed", "coupling"),
}

#: The kernels that a header is built into, whose tests hold it, and tests beyond these.
HEADERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "alias.h": (("_alias.pyx", "_tiles.pyx"), ()),
    "binomials.h": (("_sampling.pyx",), ("sampling_laws",)),
    "bits.h": (("_agents.pyx",), ("instruction_sets",)),
    "bytes.h": (("_tiles.pyx",), ()),
    "check.h": (("_model.pyx",), ("check_game",)),
    "cpu.h": (("_sampling.pyx",), ("instruction_sets",)),
    "descent.h": (("_descent.pyx",), ()),
    "elementary.h": (("_descent.pyx",), ()),
    "lanes.h": (("_model.pyx",), ()),
    "observations.h": (("_tiles.pyx",), ()),
    "push.h": (("_push.pyx", "_policy.pyx"), ()),
    "sampling.h": (("_sampling.pyx",), ("sampling_laws",)),
    "streams.h": (("_sampling.pyx", "_tiles.pyx"), ("sampling_laws",)),
    "team.h": (("_tiles.pyx",), ("threads",)),
    "tiles.h": (("_tiles.pyx",), ()),
    "values.h": (("_flow.pyx",), ()),
    "vose.h": (("_alias.pyx",), ()),
}


def modules() -> list[str]:
    """Every module of the tree, Python first."""
    package = ROOT / "python" / "tmfcore"
    found = [path.relative_to(package).as_posix() for path in package.rglob("*.py")]
    return sorted(found) + sorted(path.name for path in (ROOT / "tmfcore").glob("*.pyx")) + sorted(HEADERS)


def path_of(module: str) -> Path:
    """The source of a module, below the root of a tree."""
    return Path("tmfcore") / module if is_compiled(module) else Path("python") / "tmfcore" / module


def is_compiled(module: str) -> bool:
    """Whether a module is a kernel or a header."""
    return module.endswith((".pyx", ".h"))


def kernels_of(module: str) -> tuple[str, ...]:
    """The kernels to be built where a compiled module is changed."""
    return HEADERS[module][0] if module in HEADERS else (module,)


def tests_of(module: str) -> list[str]:
    """The files of tests for a module, those of its folder, or the one of its name.

    Raises
    ------
    KeyError
        There are none.
    """
    if module in HEADERS:
        kernels, more = HEADERS[module]
        named = [f"tests/test_{name}.py" for name in more] + [name for kernel in kernels for name in tests_of(kernel)]
        return list(dict.fromkeys(named))
    room = module.partition("/")[0].partition(".")[0]
    names = _TESTS.get(module) or _TESTS.get(room)
    if names is None and (ROOT / "tests" / f"test_{room.lstrip('_')}.py").is_file():
        names = (room.lstrip("_"),)
    if names is None:
        raise KeyError(f"bench/mutation/selection.py names no tests of {module}")
    return [f"tests/test_{name}.py" for name in names]
