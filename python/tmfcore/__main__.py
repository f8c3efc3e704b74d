"""python -m tmfcore: the command line."""

from tmfcore.cli import main

if __name__ == "__main__":
    main()
