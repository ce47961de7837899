"""HiZOO Lab: `python app.py` serves the app; `python app.py --help` for the rest."""

import sys

from viz_app.cli import main

if __name__ == "__main__":
    sys.exit(main())
