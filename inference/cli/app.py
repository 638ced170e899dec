"""The command line: which commands there are, and how they end."""

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cyclopts import App, Parameter

from plausible.inference.cli.console import say, show_warning, warnings_as_sentences
from plausible.inference.cli.errors import EXIT_CODES, INTERRUPTED, code_of, sentence_of
from plausible.inference.cli.folders import folder_for
from plausible.inference.cli.report import report
from plausible.inference.cli.runs import evaluate, sample
from plausible.inference.cli.train import train_commands
from plausible.inference.training.progress import announced

__all__ = ["main"]


def demo(*, out: Path = Path("demo"), seed: int = 0) -> int:
    """Train the demonstration models and write a page with their pictures.

    Args:
        out: folder for the page.
        seed: seed of everything random.
    """

    with announced("demo"), folder_for(out):
        from plausible.inference.recipes.demo import demo

        page = demo(out, seed)
    say(f"Open {page} in a browser.")
    return 0


def _shown_default(value: Any) -> str | None:
    """A default as it would be typed; none for what is off or left open."""
    if value is None or value is False or value == ():
        return None
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _application(tokens: Sequence[str]) -> App:
    app = App(
        name="plausible",
        help="Deep generative models as Pyro programs, and reports on profiling.",
        help_epilogue=f"--debug shows the traceback of an error.\n\n{EXIT_CODES}",
        version=lambda: f"plausible {version('plausible')}",
        default_parameter=Parameter(
            negative=(), consume_multiple=True, show_default=_shown_default
        ),
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    app.command(train_commands(tokens))
    for command in (sample, evaluate, report, demo):
        app.command(command, help_epilogue="")
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; errors are one sentence on the error stream, `--debug` adds the traceback."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    tokens = [token for token in tokens if token != "--debug"]
    try:
        with warnings_as_sentences():
            sys.exit(_application(tokens)(tokens))
    except KeyboardInterrupt as stop:
        show_warning(f"plausible: {stop if stop.args else 'Stopped.'}")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug:
            traceback.print_exc()
        show_warning(f"plausible: {sentence_of(error)}")
        sys.exit(code_of(error))


if __name__ == "__main__":
    main()
