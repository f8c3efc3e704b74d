"""Every game of the shelf over its sizes, parameters and schedules, solved by the defaults: docs/defaults.md."""
