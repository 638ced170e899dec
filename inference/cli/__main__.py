"""`python -m plausible.inference.cli`."""

from plausible.inference.cli import main

main()
