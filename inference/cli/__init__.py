"""The command line."""

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    from plausible.inference.cli.app import main

    main(arguments)
