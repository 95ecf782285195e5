"""The `holmesvau` command: one file a verb.

Results go to standard output, progress and complaints to standard error. Exit codes: 0 done, 1 a bug (with
its traceback), 2 bad input, 3 an optional part is missing, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from holmesvau.cli import annotate, ask, convert, data, doctor, eval, live, sample, score, sim, train, watch
from holmesvau.errors import HolmesError

# What typer ends with after Ctrl-C.
INTERRUPTED = 130

app = typer.Typer(
    name="holmesvau",
    help="Watch hours of video, find what is abnormal, and say what happened, when and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
)
for verb in (watch, ask, score, sample, live, convert, doctor):
    app.command(name=verb.__name__.rpartition(".")[2])(verb.run)
app.add_typer(annotate.app)
app.add_typer(data.app)
app.add_typer(eval.app)
app.add_typer(sim.app)
app.add_typer(train.app)


@app.callback(invoke_without_command=True)
def _root(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say on standard error what is being done.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        from holmesvau import __version__

        sys.stdout.write(f"holmesvau {__version__}\n")
        raise typer.Exit
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def main() -> None:
    """Run the command and end the process with the exit code of what happened."""
    if "OMP_WAIT_POLICY" not in os.environ:
        # torch's threads spin for milliseconds while they wait for one another, which costs a busy machine
        # most of its time (`benchmarks/results/beside.md`). It counts before torch is loaded.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        code = int(app(standalone_mode=False) or 0)
    except typer.TyperException as error:
        message = error.format_message()
        # A command given without its verb is answered with the help itself.
        is_help = message.startswith("Usage:")
        sys.stderr.write(message if is_help else f"holmesvau: {message.rstrip('.')}. Try --help.")
        sys.stderr.write("\n")
        code = error.exit_code
    except HolmesError as error:
        sys.stderr.write(f"holmesvau: {error}\n")
        code = error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    if code == INTERRUPTED:
        sys.stderr.write(
            "holmesvau: stopped. What was scanned is kept: the same command goes on from there.\n"
        )
    sys.exit(code)
