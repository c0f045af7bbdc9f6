"""``python -m isthmus`` is ``isthmus``."""

from isthmus.cli.app import main

if __name__ == "__main__":
    main()
