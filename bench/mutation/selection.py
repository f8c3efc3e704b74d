"""The tests of each module, under tests/; those written for it come first.

`test_mutation_command.py` checks this list against the tree. A module is a path below python/tmfcore, or, for a
kernel or C header, below tmfcore. A mutant of a header is built only into the kernels that HEADERS names for it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from . import ROOT

_SOLVERS = (
    "loop", "solvers", "solver_steps", "stationary", "solve", "solve_limits", "solver_details", "tmfpg", "tmfpg_learns",
)
_ENGINES = ("agents_engine", "engines_agree", "averaged_rows")

_TESTS: dict[str, tuple[str, ...]] = {
    "__init__.py": ("package",),
    "__main__.py": ("cli", "cli_tables", "cli_interrupted",),
    "_base": ("package",),
    "_base/options.py": ("options", "solvers"),
    "_base/registry.py": ("solver_registry", "shelf"),
    "_base/deprecation.py": ("logging",),
    "_base/about.py": ("package", "instruction_sets", "cli", "cli_tables", "cli_interrupted"),
    "_model/appearance.py": ("plots", "cli", "cli_tables", "cli_interrupted"),
    "_population/costs.py": ("costs", "small_calls", "simulate"),
    "_base/files.py": ("files",),
    "_model/fingerprint.py": ("fingerprint", "belonging"),
    "_results/tables.py": ("frames",),
    "_base/functions.py": ("rng", "game", "game_callables", "compiled_games", "policy", "schedule"),
    "_model/native.py": ("ways_in", "compiled_games"),
    "_base/bars.py": ("simulate", "solvers", "tune", "cli"),
    "_model/promises.py": ("ways_in", "check_game", "game", "game_callables", "compiled_games"),
    "_results/records.py": ("records", "results", "validation", "simulate"),
    "_results/result.py": ("results", "records"),
    "_results/packing.py": ("results", "records"),
    "_results": ("results", "package"),
    "_results/confidence.py": ("intervals",),
    "_random": ("package",),
    "_random/seeding.py": ("rng", "checkpoint"),
    "_base/threads.py": ("simulate", "invariants", "convergence_study"),
    "_base/validation.py": ("validation", "game", "game_callables", "compiled_games", "invariants"),
    "_base/arrays.py": ("validation", "game", "game_callables", "compiled_games"),
    "_base/scalars.py": ("validation",),
    "_base/wording.py": ("validation", "ways_in", "game", "game_callables", "cli"),
    "analysis": ("monotonicity", "claims", "convergence_study", "fluctuations", "fluctuations_measured"),
    "analysis/_line.py": ("convergence_study", "intervals"),
    "analysis/bound.py": ("convergence_study", "monotonicity", "intervals"),
    "analysis/convergence.py": ("convergence_study", "intervals"),
    "analysis/fluctuations.py": ("fluctuations", "fluctuations_measured",),
    "cli": ("cli", "cli_tables", "cli_interrupted", "gamefile"),
    "cli/reproduce.py": ("cli", "cli_tables", "cli_interrupted", "reproduce"),
    "_limit": ("package",),
    "_limit/exploitability.py": ("equilibrium", "belonging", "values", "invariants"),
    "learn": ("eliminate",),
    "learn/_optimistic.py": ("optimistic",),
    "learn/_planner.py": ("optimistic",),
    "learn/_rows.py": ("optimistic",),
    "learn/_rerouted.pyx": ("optimistic",),
    "learn/_oracle.py": ("oracle",),
    "learn/_pairs.pyx": ("eliminate",),
    "learn/fit": ("fit", "fit_intervals", "intervals"),
    "_population": ("package",),
    "_population/finite.py": ("finite", "intervals"),
    "_model": ("package",),
    "_model/game.py": ("game", "game_callables", "compiled_games", "ways_in", "validation", "games", "flow"),
    "games/gamefile.py": ("gamefile",),
    "games": ("games", "invariants"),
    "games/_coupling.py": ("coupling", "typed"),
    "games/_network.py": ("routing", "sioux_falls",),
    "games/_sweeps.py": ("games",),
    "typing.py": ("types",),
    "games/affine.py": ("affine", "affine_slopes",),
    "games/beach_bar.py": ("rows", "crowd_games", "games"),
    "games/building_evacuation.py": ("rows", "crowd_games"),
    "games/crowd_aversion.py": ("rows", "crowd_games"),
    "games/crowd_motion.py": ("rows", "crowd_games"),
    "games/garnet.py": ("rows", "small_games", "affine", "affine_slopes"),
    "games/infection_by_contact.py": ("rows", "infection_by_contact"),
    "games/left_right.py": ("rows", "small_games",),
    "games/pairwise_revision.py": ("rows", "pairwise_revision"),
    "games/queueing.py": ("games",),
    "games/resource_selection.py": ("games",),
    "games/rock_paper_scissors.py": ("rows", "small_games",),
    "games/_places.py": ("routing", "sioux_falls",),
    "games/braess.py": ("routing",),
    "games/routing.py": ("routing", "sioux_falls",),
    "games/sioux_falls.py": ("routing", "sioux_falls",),
    "games/majority.py": ("majority",),
    "games/swarm.py": ("swarm",),
    "games/cyber_security.py": ("cyber_security",),
    "games/graphon.py": ("graphon",),
    "games/robotics.py": ("robotics",),
    "games/demand.py": ("demand",),
    "games/linear_features.py": ("linear_features",),
    "games/susceptible_infected.py": ("rows", "small_games",),
    "games/typed.py": ("typed", "coupling"),
    "interop": (
        "interop_gymnasium", "interop_learners", "interop_pettingzoo", "interop_mfglib", "interop_openspiel",
        "interop_openspiel_made", "package",
    ),
    "_limit/checks.py": ("meanfield", "flow", "values", "belonging"),
    "_limit/evaluation.py": ("meanfield", "values", "frames", "files", "plots", "typed"),
    "_limit/mean_field.py": ("fingerprint", "meanfield", "flow", "values", "frames", "files", "plots"),
    "plotting": ("plotting", "plots", "policy_plots"),
    "_model/policies.py": ("policy", "game", "game_callables", "compiled_games", "flow", "invariants"),
    "reproduce": ("reproduce", "cli", "cli_tables", "cli_interrupted"),
    "_model/schedules.py": ("schedule", "invariants"),
    "_population/simulation.py": ("fingerprint", "simulate", "frames", "plots", "files"),
    "_population/by_steps.py": ("simulate", "counts_engine", "small_calls", "costs", "logging"),
    "_population/capacity.py": ("simulate", "costs", "tmfpg"),
    "_population/clashes.py": ("simulate", "on_graph", "ranks", "on_executors", "poisson", "agents_engine"),
    "_population/simulate.py": ("fingerprint", "simulate", "counts_engine", "invariants", "frames", "plots", "costs"),
    "_population/runs.py": ("simulate", "lanes", "threads", "counts_engine"),
    "_population/starts.py": ("simulate", "small_calls", "fingerprint", "belonging"),
    "solvers": _SOLVERS,
    "solvers/_registry.py": ("solver_registry", "tune"),
    "solvers/_solver.py": ("options", *_SOLVERS),
    "solvers/_space.py": ("tune",),
    "solvers/mfomo.py": ("solver_details", "solvers", "solver_steps", "stationary", "solve"),
    "solvers/stationary.py": ("solver_details", "stationary", "solvers"),
    "solvers/tmfpg.py": ("tmfpg_parts", "unbiased", "tmfpg", "tmfpg_learns"),
    "solvers/tuning.py": ("tune",),
    "testing": ("check_game",),
    "testing/_doors.pyx": ("sampling", "sampling_laws"),
    "games/_affine.pyx": ("rows", "affine", "affine_slopes", "small_games", "coupling", "typed", "monotonicity"),
    "_population/agents.pyx": (
        "individual_rewards", "exchangeable", "kernel_limits", *_ENGINES, "simulate", "invariants",
    ),
    "_population/alias.pyx": ("kernel_limits", "sampling", "agents_engine", "averaged_rows", "engines_agree"),
    "_population/counts.pyx": ("counts_engine", "engines_agree", "averaged_rows", "simulate", "invariants"),
    "games/_pairwise.pyx": ("rows", "pairwise_revision"),
    "games/_majority.pyx": ("majority",),
    "games/_cyber_security.pyx": ("cyber_security",),
    "games/_robotics.pyx": ("robotics",),
    "games/_demand.pyx": ("demand",),
    "games/_linear_features.pyx": ("linear_features", "rows"),
    "games/_crowd_aversion.pyx": ("rows", "crowd_games",),
    "solvers/_descent.pyx": ("solver_steps", "solvers"),
    "solvers/_secants.pyx": ("solver_steps", "solvers"),
    "_random/seeds.pyx": ("rng",),
    "_base/entries.pyx": ("validation",),
    "_model/evaluator.pyx": ("game", "compiled_games", "flow", "values", "equilibrium", "engines_agree"),
    "_population/ledger.pyx": ("counts_engine", "agents_engine", "kernel_limits"),
    "_population/few.pyx": ("individual_rewards", "counts_engine", *_ENGINES, "invariants"),
    "_limit/values.pyx": ("flow", "values", "meanfield", "equilibrium"),
    "analysis/_fluctuations.pyx": ("fluctuations", "fluctuations_measured",),
    "games/_queues.pyx": ("rows", "games", "flow"),
    "solvers/_gradient.pyx": ("gradient", "unbiased", "tmfpg", "tmfpg_learns"),
    "_population/individuals.pyx": ("individuals", "exchangeable", "interop_pettingzoo"),
    "games/_linear_quadratic.pyx": ("rows", "linear_quadratic",),
    "_model/model.pyx": ("rows", "game", "game_callables", "compiled_games", "ways_in", "flow", "values"),
    "_model/table_model.pyx": ("rows", "game", "game_callables", "compiled_games", "ways_in", "flow", "values"),
    "_model/compiled_model.pyx": ("rows", "game", "game_callables", "compiled_games", "ways_in", "flow", "values"),
    "solvers/_observed.pyx": ("gradient", "unbiased", "tmfpg_parts", "tmfpg", "tmfpg_learns"),
    "solvers/_occupation.pyx": ("solver_steps", "solvers"),
    "_population/passive.pyx": ("engines_agree", "averaged_rows", "agents_engine", "counts_engine", "simulate"),
    "_model/policy.pyx": ("policy", "singles", "engines_agree", "gradient", "flow", "values"),
    "_limit/push.pyx": ("flow", "values"),
    "games/_routing.pyx": ("rows", "routing", "sioux_falls",),
    "_random/sampling.pyx": ("sampling", "sampling_laws", "engines_agree"),
    "_model/activation.pyx": ("schedule", "engines_agree", "counts_engine", "agents_engine"),
    "_population/imitation.pyx": ("pairwise_revision",),
    "_population/meetings.pyx": ("meetings", "single_words"),
    "_population/selection.pyx": ("agents_engine", *_ENGINES),
    "_population/shards.pyx": ("ranks",),
    "_population/singles.pyx": ("singles", "meetings", "single_words", "counts_engine", *_ENGINES),
    "solvers/_stationary.pyx": ("solver_details", "stationary"),
    "_population/tagged.pyx": ("finite", "interop_gymnasium", "interop_learners"),
    "_population/tiles.pyx": ("individual_rewards", "instruction_sets", *_ENGINES, "simulate"),
    "games/_typed.pyx": ("rows", "typed", "coupling"),
}

#: For each header: the kernels into which it is built and whose tests are used, and additional tests.
HEADERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "_population/alias.h": (("_population/alias.pyx", "_population/tiles.pyx"), ()),
    "_random/binomials.h": (("_random/sampling.pyx",), ("sampling_laws",)),
    "_population/acting.h": (("_population/selection.pyx",), ("instruction_sets",)),
    "_population/small_tables.h": (("_population/tiles.pyx",), ()),
    "_base/simd/check.h": (("_model/table_model.pyx", "_model/compiled_model.pyx"), ("check_game",)),
    "_base/simd/cpu.h": (("_random/sampling.pyx",), ("instruction_sets",)),
    "_base/simd/dense.h": (("_limit/push.pyx", "_model/policy.pyx"), ()),
    "_base/simd/elementary.h": (("solvers/_descent.pyx", "_random/sampling.pyx"), ()),
    "_model/softmax.h": (("_model/policy.pyx", "solvers/_descent.pyx"), ()),
    "_base/simd/lanes.h": (("_model/model.pyx",), ()),
    "_population/observations.h": (("_population/tiles.pyx",), ()),
    "_limit/push.h": (("_limit/push.pyx",), ()),
    "_random/pcg.h": (("_random/seeds.pyx",), ("rng",)),
    "_random/bounded.h": (("_random/sampling.pyx",), ("sampling_laws",)),
    "_random/streams.h": (("_random/sampling.pyx", "_population/tiles.pyx"), ("sampling_laws",)),
    "_population/team.h": (("_population/tiles.pyx",), ("threads",)),
    "_population/tiles.h": (("_population/tiles.pyx",), ()),
    "games/linear_features.h": (("games/_linear_features.pyx",), ()),
    "learn/pairs.h": (("learn/_pairs.pyx",), ("instruction_sets",)),
    "_limit/sparse.h": (("_limit/values.pyx", "_limit/push.pyx"), ("solvers",)),
    "_limit/values.h": (("_limit/values.pyx",), ()),
    "_population/vose.h": (("_population/alias.pyx",), ()),
}


def modules() -> list[str]:
    """Every module of the tree, Python first."""
    package = ROOT / "python" / "tmfcore"
    found = [path.relative_to(package).as_posix() for path in package.rglob("*.py")]
    return sorted(found) + _kernels() + sorted(HEADERS)


def _kernels() -> list[str]:
    folder = ROOT / "tmfcore"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.pyx"))


def path_of(module: str) -> Path:
    """The source of a module, below the root of a tree."""
    return Path("tmfcore") / module if is_compiled(module) else Path("python") / "tmfcore" / module


def is_compiled(module: str) -> bool:
    """Whether a module is a kernel or a header."""
    return module.endswith((".pyx", ".h"))


def kernels_of(module: str) -> tuple[str, ...]:
    """The kernels to build for a mutant of a compiled module."""
    return HEADERS[module][0] if module in HEADERS else (module,)


def tests_of(module: str) -> list[str]:
    """The test files of a module, or else those of its folder, or the one with its name.

    Raises
    ------
    KeyError
        The module has no test file.
    """
    if module in HEADERS:
        kernels, more = HEADERS[module]
        named = [f"tests/test_{name}.py" for name in more] + [name for kernel in kernels for name in tests_of(kernel)]
        return list(dict.fromkeys(named))
    folders = [str(folder) for folder in PurePosixPath(module).parents]
    room = module.partition("/")[0].partition(".")[0]
    own = PurePosixPath(module).stem
    names = _TESTS.get(module)
    if names is None and (ROOT / "tests" / f"test_{own}.py").is_file():
        names = (own,)
    if names is None:
        names = next((_TESTS[folder] for folder in folders if folder in _TESTS), None)
    if names is None and (ROOT / "tests" / f"test_{room.lstrip('_')}.py").is_file():
        names = (room.lstrip("_"),)
    if names is None:
        raise KeyError(f"bench/mutation/selection.py names no tests of {module}")
    return [f"tests/test_{name}.py" for name in names]
