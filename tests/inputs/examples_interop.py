"""Valid calls of interop, where its libraries are there."""

from functools import cache

import numpy as np

import tmfcore as tmf

from .things import N, game, policy


def environments():
    """Calls of interop, where its libraries are there."""
    try:
        from tmfcore.interop import gymnasium, pettingzoo
    except ModuleNotFoundError:
        return {}
    tagged = {
        "game": game(), "population": policy(), "schedule": tmf.Fraction(0.5), "n_agents": N, "clock": "schedule",
        "start": "rounded",
    }  # fmt: skip
    crowd = {"game": game(), "schedule": tmf.Fraction(0.5), "n_agents": 3, "start": "rounded", "render_mode": None}
    several = tagged | {"num_envs": 2, "autoreset_mode": "SameStep"}

    def begun(env):
        env.reset(seed=1)
        return env

    found = {
        "gymnasium.TaggedEnv": lambda: {**tagged, "render_mode": "ansi"},
        "gymnasium.env": lambda: {**tagged, "render_mode": "ansi"},
        "gymnasium.TaggedVectorEnv": lambda: dict(several),
        "gymnasium.make_vec": lambda: dict(several),
        "pettingzoo.aec_env": lambda: dict(crowd),
        "pettingzoo.parallel_env": lambda: dict(crowd),
    }
    for name, make in (
        ("gymnasium.TaggedEnv", lambda: gymnasium.TaggedEnv(**tagged, render_mode="ansi")),
        ("gymnasium.TaggedVectorEnv", lambda: gymnasium.TaggedVectorEnv(**several)),
        ("pettingzoo.AgentByAgent", lambda: pettingzoo.aec_env(**crowd | {"render_mode": "ansi"})),
        ("pettingzoo.Parallel", lambda: pettingzoo.parallel_env(**crowd | {"render_mode": "ansi"})),
    ):
        alone = "AgentByAgent" in name or name.endswith("TaggedEnv")
        actions = {"action": 1} if alone else {"actions": np.array([1, 0])}
        if name.endswith("Parallel"):
            actions = {"actions": dict.fromkeys(begun(make()).agents, 1)}
        for method, more in (
            ("reset", {"seed": 1, "options": None}), ("step", actions), ("render", {}), ("close", {}), ("state", {}),
            ("observe", {"agent": "agent_0"}), ("action_space", {"agent": "agent_0"}),
            ("observation_space", {"agent": "agent_0"}),
        ):  # fmt: skip
            if getattr(getattr(type(make()), method, None), "__module__", "").startswith("tmfcore"):
                found[f"{name}.{method}"] = lambda make=make, more=more: {"self": begun(make()), **more}
    found["gymnasium.to_stable_baselines3"] = lambda: {"envs": gymnasium.TaggedVectorEnv(**several)}
    for name, make in (("AgentByAgent", pettingzoo.aec_env), ("Parallel", pettingzoo.parallel_env)):
        inside = make(**crowd)._crowd
        found[f"pettingzoo.{name}"] = lambda inside=inside: {"crowd": inside, "render_mode": "ansi"}
    return {f"tmfcore.interop.{name}": example for name, example in found.items()}


def games_of_others():
    """Calls of interop's rooms for OpenSpiel and MFGLib, where these are there."""
    found = {}
    try:
        from tmfcore.interop import openspiel
    except ModuleNotFoundError:
        pass
    else:

        @cache
        def beach():
            return openspiel.from_game("mfg_crowd_modelling", {"size": 4, "horizon": 2})

        def uniform():
            return tmf.TabularPolicy.uniform(beach())

        found |= {
            "openspiel.from_game": lambda: {
                "game": "mfg_crowd_modelling", "parameters": {"size": 4, "horizon": 2}, "last_action": "carry",
                "constant": True,
            },
            "openspiel.from_policy": lambda: {"policy": openspiel.to_policy(uniform(), beach()), "game": beach()},
            "openspiel.to_game": lambda: {"game": game(), "schedule": tmf.Fraction(0.5)},
            "openspiel.to_policy": lambda: {"policy": uniform(), "game": beach()},
            "openspiel.verify": lambda: {"game": beach(), "flow": tmf.mean_field(beach(), uniform(), tmf.Synchronous())},
        }  # fmt: skip
    try:
        from mfglib.env import Environment

        from tmfcore.interop import mfglib
    except ModuleNotFoundError:
        pass
    else:

        @cache
        def environment():
            return Environment.left_right()

        @cache
        def read():
            return mfglib.from_environment(environment(), depends="mu")

        @cache
        def theirs():
            return mfglib.to_policy(tmf.TabularPolicy.uniform(read()), read(), environment())

        found |= {
            "mfglib.from_environment": lambda: {"env": environment(), "depends": "mu"},
            "mfglib.from_policy": lambda: {"policy": theirs(), "game": read()},
            "mfglib.to_environment": lambda: {"game": game(), "schedule": tmf.Fraction(0.5), "r_max": 3.0},
            "mfglib.to_policy": lambda: {
                "policy": tmf.TabularPolicy.uniform(read()), "game": read(), "env": environment(), "schedule": None,
            },
        }  # fmt: skip
    return {f"tmfcore.interop.{name}": example for name, example in found.items()}
