"""What every room stands on: checked arguments, wording of errors, records, files, threads, progress, tables."""
