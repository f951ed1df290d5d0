"""``python -m fokkerplanck`` is the command ``fokkerplanck``."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
