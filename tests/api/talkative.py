"""The program, with everything logged that any library has to say: in the file `log` of the folder for temporary files."""

from __future__ import annotations

import logging
import pathlib
import tempfile

from undercroft.cli.main import main

# Where a worker process begins as a copy of this one, it logs as well.
logging.basicConfig(level=logging.DEBUG, filename=pathlib.Path(tempfile.gettempdir()) / "log")

if __name__ == "__main__":
    main()
