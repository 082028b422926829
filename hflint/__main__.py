"""`python -m hflint`."""

from hflint.cli import main

if __name__ == "__main__":
    main()
