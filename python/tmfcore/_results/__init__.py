"""What verbs return: the base of results, their tables, their files, and confidence intervals."""
