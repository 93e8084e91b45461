"""Run the command line with ``python -m femsim``."""

from femsim.cli import main

if __name__ == "__main__":
    main()
