"""``python -m keras_uncover``: the command line."""

import sys

from keras_uncover.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
