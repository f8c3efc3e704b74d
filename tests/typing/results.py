"""Results: fields, pictures by their kinds, what of one result another verb takes."""

import tmfcore as tmf

game = tmf.games.queueing()
uniform = tmf.TabularPolicy.uniform(game)
flow = tmf.mean_field(game, uniform, tmf.Synchronous())
flow.plot("lines", title="the flow")
flow.plot("line")  # error
flow.plot(titel="the flow")  # error
last: float = float(flow.mu[-1, 0])
name: int = flow.game  # error

value = tmf.evaluate(game, uniform, tmf.Synchronous())
value.plot("heat")
value.plot("profile")  # error
again = tmf.evaluate(game, uniform, tmf.Synchronous(), clock=value.clock)
run = tmf.simulate(game, uniform, tmf.Synchronous(), 100, replicas=4, rng=1)
same = tmf.simulate(game, uniform, tmf.Synchronous(), 100, engine=run.engine, rng=1)
run.plot(flow=flow)
run.save(path=3)  # error
run.retuns.mean()  # error
run.n_agents = 5  # error

solution = tmf.solve(game, tmf.Synchronous())
solution.plot("policy")
solution.plot("polcy")  # error
solution.policy.plot()
kept = tmf.Solution.load("a.npz")
kept.policy.n_stages.bit_length()

study = tmf.analysis.convergence(game, uniform, tmf.Synchronous(), [100, 1000], replicas=8, engine="counts", rng=1)
tmf.analysis.convergence(game, uniform, tmf.Synchronous(), [100, 1000], replicas=8, engine="count")  # error
tmf.analysis.fluctuations(game, uniform, tmf.Synchronous(), start="sampled", jacobian="exact")
tmf.analysis.fluctuations(game, uniform, tmf.Synchronous(), start="sample")  # error
tmf.analysis.fluctuations(game, uniform, tmf.Synchronous(), jacobian="numeric")  # error
tmf.learn.fit(run, kind="affine", passive="stay")
tmf.learn.fit(run, kind="afine")  # error
tmf.learn.fit(run, passive="stays")  # error
tmf.load(3)  # error

tmf.plotting.over_time(tmf.plotting.Course(flow.times, flow.mu), game.observation_labels, kind="heat")
tmf.plotting.over_time(tmf.plotting.Course(flow.times, flow.mu), game.observation_labels, kind="heatmap")  # error
tmf.plotting.policy(uniform.table, kind="grid")
tmf.plotting.policy(uniform.table, kind="grids")  # error
