import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active

def run(
    model: Model,
    policy: Policy,
    bit_generator: np.random.BitGenerator,
    counts: IntArray,
    n_steps: int,
    batch: IntArray | None,
    probability: Active | None,
    active: Active,
    discount: float,
    always: bool,
    rate: float,
    q: FloatArray,
    w: FloatArray,
    acted: IntArray,
    waited: IntArray,
    gains: FloatArray,
    groups: npt.NDArray[np.int32],
    decisions: IntArray,
    earned: FloatArray,
    people: FloatArray,
) -> float: ...
