"""Checks of an installed wheel, run outside the repository: its files, and a first use."""

from importlib.util import find_spec
from pathlib import Path

import tmfcore as tmf

spec = find_spec("tmfcore")
assert spec is not None and spec.origin is not None
package = Path(spec.origin).parent
assert "site-packages" in package.parts, package
for name in ("py.typed", "__init__.pxd", "_model/model.pxd", "_model/model.pyi", "include/tmfcore/_random/bounded.h"):
    assert (package / name).is_file(), f"{name} is not in the wheel"
assert Path(tmf.get_include()) == package / "include", tmf.get_include()

game = tmf.games.resource_selection(worth=[1.0, 0.8, 0.6, 0.4], congestion=[1.0] * 4)
policy = tmf.TabularPolicy.uniform(game)
for schedule in (tmf.Synchronous(), tmf.Batch(10), tmf.Sequential()):
    run = tmf.simulate(game, policy, schedule, n_agents=100, rng=1)
    assert (run.counts.sum(-1) == 100).all()
    assert tmf.exploitability(game, policy, schedule, n_agents=100) > 0
print(f"smoke test passed: tmfcore {tmf.__version__}, {tmf.build_info()}")
