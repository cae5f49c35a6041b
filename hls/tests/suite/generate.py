"""Writes the suite: `python generate.py FOLDER`, one project a folder, each with a `driver.txt` of what its driver needs."""

import contextlib
import io
import sys
from pathlib import Path

import networks


def main(folder):
    for name, write in networks.everything().items():
        project = Path(folder) / name
        with contextlib.redirect_stdout(io.StringIO()):
            write(project)


if __name__ == "__main__":
    main(sys.argv[1])
