"""Arguments of a convergence study: schedules by label, and N and schedule of each point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import noted
from tmfcore._base.validation import IntArray
from tmfcore._model.schedules import Schedule

ScheduleEntry: TypeAlias = Schedule | Callable[[int], Schedule]


def schedule_entries(
    schedules: ScheduleEntry | Sequence[Schedule] | Mapping[str, ScheduleEntry],
) -> dict[str, ScheduleEntry]:
    """Check `schedules` and return its entries by label; a schedule outside a dict gets its own label."""
    if isinstance(schedules, Mapping):
        entries = {check.as_string(label, "schedules: a label"): entry for label, entry in schedules.items()}
    elif isinstance(schedules, Schedule):
        entries = {schedules.label: schedules}
    elif isinstance(schedules, Sequence) and not isinstance(schedules, str):
        listed = [check.as_instance(s, f"schedules[{i}]", Schedule) for i, s in enumerate(schedules)]
        labels = check.as_labels([s.label for s in listed], "schedules: labels", len(listed))
        entries = dict(zip(labels, listed, strict=True))
    elif callable(schedules):
        entries = {"schedule": schedules}
    else:
        raise TypeError(
            f"schedules is {say.show(schedules)}; must be a Schedule, a function n_agents -> Schedule, "
            "a sequence of schedules, or a dict from labels to schedules or such functions"
        )
    if not entries:
        raise ValueError("schedules is empty; must hold at least one schedule")
    for label, entry in entries.items():
        if not isinstance(entry, Schedule) and not callable(entry):
            raise TypeError(f"schedules[{label!r}] is {entry!r}; must be a Schedule or a function n_agents -> Schedule")
    return entries


def population_sizes(
    n_agents: Sequence[int] | Mapping[str, Sequence[int]], labels: tuple[str, ...]
) -> dict[str, IntArray]:
    """Check `n_agents` and return its increasing values by label, (n,) int64."""
    if isinstance(n_agents, Mapping):
        if set(n_agents) != set(labels):
            raise ValueError(f"n_agents has labels {sorted(n_agents)}; must have those of schedules, {sorted(labels)}")
        rows: dict[str, Any] = {label: n_agents[label] for label in labels}
    else:
        rows = dict.fromkeys(labels, n_agents)
    sizes = {}
    for label, row in rows.items():
        name = f"n_agents[{label!r}]" if isinstance(n_agents, Mapping) else "n_agents"
        sizes[label] = check.as_int_array(row, name, shape=(None,), low=1)
        falls = np.diff(sizes[label]) <= 0
        if falls.any():
            i = int(np.argmax(falls)) + 1
            raise ValueError(f"{name}[{i}] is {sizes[label][i]}; must be > {name}[{i - 1}] = {sizes[label][i - 1]}")
    return sizes


def schedule_at(entry: ScheduleEntry, n_agents: int, label: str) -> Schedule:
    schedule = entry if isinstance(entry, Schedule) else noted(entry, "schedules", "(n_agents)")(n_agents)
    return check.as_instance(schedule, f"schedules[{label!r}]({n_agents})", Schedule)
