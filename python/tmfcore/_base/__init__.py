"""What every room stands on: checked arguments, wording of errors, files, threads, progress."""
