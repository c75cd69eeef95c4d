"""`python -m mailhub`."""

from mailhub.cli import main

if __name__ == "__main__":
    main()
