"""Command line; `python -m trigsieve_samples --help`."""

import argparse
import sys
from pathlib import Path

import h5py

from . import __version__, layout
from .challenge import cli as challenge
from .chunks import ResumeError
from .decays import ForcedDecays
from .processes import BACKGROUNDS, COCKTAIL_PERMILLE, SIGNALS
from .production import Request, produce
from .showers import GeneratorError

#: Exit codes: 2 is argparse's for bad arguments.
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def positive(text: str) -> int:
    """Argument type: an integer above 0."""
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{value} is not above 0")
    return value


def seed(text: str) -> int:
    """Argument type: an integer in [0, 2^63), which fits an HDF5 attribute."""
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{value} is not in [0, 2^63)")
    return value


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    root = argparse.ArgumentParser(
        prog="trigsieve_samples", description="Monte Carlo events in the ADC2021 40 MHz layout, and in "
        "that of the Dark Machines challenge.")
    root.add_argument("--version", action="version", version=__version__)
    commands = root.add_subparsers(dest="command", required=True)

    written = argparse.ArgumentParser(add_help=False)
    written.add_argument("--seed", type=seed, required=True, help="random seed, 0 or above")
    written.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    written.add_argument("--force", action="store_true", help="replace an existing output file")
    common = argparse.ArgumentParser(add_help=False, parents=[written])
    common.add_argument("--events", type=positive, required=True, help="accepted events to write")
    common.add_argument("--chunk-events", type=positive, default=10_000,
                        help="events made, mixed and saved together; part of what fixes the "
                             "events (default: %(default)s)")
    common.add_argument("--truth", action="store_true",
                        help="also write the process and the hard scattering of each event")

    commands.add_parser("background", parents=[common], help="the background cocktail")
    signal = commands.add_parser("signal", parents=[common], help="one signal")
    signal.add_argument("name", choices=[process.name for process in SIGNALS])
    component = commands.add_parser("component", parents=[common],
                                    help="one process of the background alone")
    component.add_argument("name", choices=[process.name for process in BACKGROUNDS])
    component.add_argument("--plain", action="store_true",
                           help="wait for the leptons of heavy hadrons instead of forcing them: "
                                "slow, for checks of the forced decays")
    commands.add_parser("list", help="the processes, and the cocktail")
    challenge.add_commands(commands, written, positive)
    check = commands.add_parser("check", help="check that a file obeys the layout")
    check.add_argument("file", type=Path)
    return root


def list_processes() -> int:
    """Prints the processes with their codes."""
    for process in BACKGROUNDS + SIGNALS:
        share = COCKTAIL_PERMILLE.get(process.name)
        share = f"{share / 10:4.1f} %" if share else "signal"
        print(f"{process.code:3d}  {process.name:17s} {share}  {process.title}")
    return EXIT_OK


def check_file(path: Path) -> int:
    """Prints every broken invariant of the layout, block by block."""
    try:
        with h5py.File(path) as file:
            particles = file["Particles"]
            found = {text for first in range(0, max(len(particles), 1), 50_000)
                     for text in layout.violations(particles[first:first + 50_000])}
            print(f"{path}: {len(particles)} events, {len(found)} broken invariants")
    except (OSError, KeyError) as error:
        return fail(f"{path}: {error}")
    for text in sorted(found):
        print(f"  {text}")
    return EXIT_FAILED if found else EXIT_OK


def fail(message: str, code: int = EXIT_FAILED) -> int:
    """Prints an error, returns the exit code."""
    print(f"trigsieve_samples: error: {message}", file=sys.stderr)
    return code


def make_file(arguments: argparse.Namespace) -> int:
    """Runs a production and prints its totals."""
    output = arguments.output
    if not output.parent.is_dir():
        return fail(f"no folder {output.parent}", EXIT_USAGE)
    if output.exists() and not arguments.force:
        return fail(f"{output} exists; use --force to replace it", EXIT_USAGE)
    make = challenge.make_file if arguments.command == "challenge" else make_trigger_file
    try:
        make(arguments, lambda text: print(text, file=sys.stderr, flush=True))
    except (GeneratorError, ResumeError, OSError) as error:
        return fail(str(error))
    return EXIT_OK


def make_trigger_file(arguments: argparse.Namespace, report) -> None:
    """Makes a file in the ADC2021 layout."""
    name = "background" if arguments.command == "background" else arguments.name
    forced = None if getattr(arguments, "plain", False) else ForcedDecays()
    request = Request(name, arguments.events, arguments.seed, arguments.chunk_events,
                      arguments.truth, forced=forced)
    summary = produce(request, arguments.output, report)
    for process, accepted in summary.accepted.items():
        print(f"{process}: {accepted} events from {summary.scatterings[process]} of "
              f"{summary.generated[process]} hard scatterings")


def main(argv=None) -> int:
    """Parses the arguments and runs the command; returns the exit code."""
    arguments = parser().parse_args(argv)
    if arguments.command == "list":
        return list_processes()
    if arguments.command == "check":
        return check_file(arguments.file)
    if arguments.command == "challenge":
        if arguments.kind == "list":
            challenge.list_processes()
            return EXIT_OK
        if reason := challenge.unfit(arguments):
            return fail(reason, EXIT_USAGE)
    return make_file(arguments)
