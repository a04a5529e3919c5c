"""`python -m everygroup` is the `everygroup` command."""

from everygroup.cli.main import main

if __name__ == "__main__":
    main()
