"""Results of all public functions: the base class, their tables, their files, and confidence intervals."""
