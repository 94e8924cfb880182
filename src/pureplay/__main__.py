"""`python -m pureplay`."""

from pureplay.apps.cli import main

if __name__ == "__main__":
    main()
