"""Tagged agents as a VecEnv of stable-baselines3; see gymnasium.to_stable_baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

try:
    from stable_baselines3.common.vec_env import VecEnv
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"to_stable_baselines3 needs {error.name}, which is not installed: python -m pip install stable-baselines3",
        name=error.name,
    ) from error

if TYPE_CHECKING:
    from tmfcore.interop.gymnasium import TaggedVectorEnv


class Copies(VecEnv):
    """The copies of a TaggedVectorEnv."""

    def __init__(self, envs: TaggedVectorEnv) -> None:
        self._envs = envs
        self._masks: npt.NDArray[np.int8] | None = None
        self._actions: npt.NDArray[Any] | None = None
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> npt.NDArray[np.float32]:
        """Reset all copies; a seed set by ``seed`` is used once."""
        observations, infos = self._envs.reset(seed=self._seeds[0])
        self._reset_seeds()
        self._masks = infos["action_mask"]
        return observations

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        observations, rewards, done, _, infos = self._envs.step(self._actions)
        self._masks = infos["action_mask"]
        each: list[dict[str, Any]]
        if done.all():
            each = [{"terminal_observation": row, "TimeLimit.truncated": False} for row in infos["final_obs"]]
        else:
            each = [{"TimeLimit.truncated": False} for _ in done]
        return observations, rewards.astype(np.float32), done, each

    def action_masks(self) -> npt.NDArray[np.int8]:
        """Action masks (n, A) of the copies."""
        if self._masks is None:
            raise ValueError("the environment has not been reset; call reset() first")
        return self._masks

    def close(self) -> None:
        self._envs.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self._envs, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise AttributeError(f"{attr_name!r} cannot be set: all copies share one environment object")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        if method_name != "action_masks" or args or kwargs:
            raise AttributeError(f"{method_name!r} cannot be called: all copies share one environment object")
        masks = self.action_masks()
        return [masks[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> Sequence[bool]:
        return [False] * len(list(self._get_indices(indices)))
