"""Tools used by all other subpackages: checks of arguments, wording of errors, files, threads, progress bars."""
