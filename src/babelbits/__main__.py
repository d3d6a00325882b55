"""`python -m babelbits`: the command, where its script is not on the path."""

from babelbits.cli.main import main

if __name__ == "__main__":
    main()
