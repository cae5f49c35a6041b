"""The command `challenge`: text files of the Dark Machines challenge."""

import argparse
import math

from .channels import CHANNELS
from .processes import BACKGROUNDS, PROCESS_BY_NAME, SIGNALS
from .production import ChallengeRequest, produce


def luminosity(text: str) -> float:
    """Argument type: a number of inverse femtobarns, above 0."""
    value = float(text)
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def add_commands(commands, common: argparse.ArgumentParser, positive) -> None:
    """Adds `challenge background`, `challenge signal` and `challenge list`."""
    challenge = commands.add_parser(
        "challenge", help="text files in the layout of the Dark Machines challenge (arXiv:2105.14027)")
    kinds = challenge.add_subparsers(dest="kind", required=True)
    selected = argparse.ArgumentParser(add_help=False, parents=[common])
    selected.add_argument("--channel", choices=CHANNELS, required=True, help="event selection")
    background = kinds.add_parser("background", parents=[selected], help="the background of a channel")
    background.add_argument("--luminosity", type=luminosity, required=True, metavar="FB",
                            help="integrated luminosity in 1/fb")
    background.add_argument("--chunk-luminosity", type=luminosity, default=0.5, metavar="FB",
                            help="luminosity made, mixed and saved together; part of what fixes the "
                                 "events (default: %(default)s)")
    signal = kinds.add_parser("signal", parents=[selected], help="one signal")
    signal.add_argument("name", choices=[process.name for process in SIGNALS])
    signal.add_argument("--events", type=positive, required=True, help="selected events to write")
    signal.add_argument("--chunk-events", type=positive, default=5000,
                        help="events made and saved together; part of what fixes the events "
                             "(default: %(default)s)")
    kinds.add_parser("list", help="the processes")


def list_processes() -> None:
    """Prints the processes with their cross sections."""
    for process in BACKGROUNDS + SIGNALS:
        channels = ", ".join(process.channels)
        print(f"{process.code:3d}  {process.name:26s} {process.cross_section_fb:9.4g} fb  "
              f"channels {channels:6s}  {process.title}")


def unfit(arguments: argparse.Namespace) -> str | None:
    """What is wrong with arguments that the parser accepts."""
    if arguments.kind != "signal":
        return None
    channels = PROCESS_BY_NAME[arguments.name].channels
    if arguments.channel in channels:
        return None
    return f"{arguments.name} is a signal of channel {' and '.join(channels)}"


def make_file(arguments: argparse.Namespace, report) -> None:
    """Runs a production and prints its totals."""
    if arguments.kind == "background":
        name, amount, chunk = "background", arguments.luminosity, arguments.chunk_luminosity
    else:
        name, amount, chunk = arguments.name, arguments.events, arguments.chunk_events
    request = ChallengeRequest(name, arguments.channel, amount, arguments.seed, chunk)
    summary = produce(request, arguments.output, report)
    generated = ", ".join(f"{process} {count}" for process, count in summary.generated.items())
    selected = ", ".join(f"{process} {count}" for process, count in summary.selected.items())
    print(f"hard scatterings: {generated}\nevents: {selected}")
