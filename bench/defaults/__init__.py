"""Every game of the shelf over its sizes, parameters and schedules, by the defaults: docs/measured/defaults.md."""
