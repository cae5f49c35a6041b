"""Writes the suite: `python generate.py FOLDER [PROJECT...]`, one project a folder, each with a `suite.txt` of what its
driver needs; all of them, or those that are named."""

import contextlib
import io
import sys
from pathlib import Path

import networks


def main(folder, *names):
    projects = networks.everything()
    for name in names or projects:
        write = projects[name]
        project = Path(folder) / name
        with contextlib.redirect_stdout(io.StringIO()):
            write(project)


if __name__ == "__main__":
    main(*sys.argv[1:])
