"""Default solvers on every built-in game, over sizes, parameters and schedules: docs/measured/defaults.md."""
