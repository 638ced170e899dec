"""A start imports little: no seconds are counted, only modules, in a fresh process."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "pyro", "matplotlib", "pandas", "ibis", "numpy", "arviz", "lightning_fabric")
COUNT = """
import sys
from plausible.inference.cli import main
try:
    main(sys.argv[1:])
finally:
    print("IMPORTED", *(name for name in {heavy} if name in sys.modules))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["--version"],
        ["train"],
        ["train", "--help"],
        ["train", "--list"],
        ["train", "vea"],
        ["train", "--lst"],
        ["sample", "--help"],
        ["evaluate", "--help"],
        ["report", "--help"],
        ["report", "--list"],
        ["report", "compass"],
        ["report", "compas", "--grup", "race"],
        ["demo", "--help"],
        ["trian"],
    ],
    ids=" ".join,
)
def test_help_lists_and_misspelt_names_import_nothing_heavy(arguments: list[str]) -> None:
    """Seen failing with `import numpy` at the top of a command's file."""
    code = COUNT.format(heavy=HEAVY)
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.returncode in (0, 2)
    assert process.stdout.splitlines()[-1] == "IMPORTED"


def test_a_recipe_is_imported_without_the_others() -> None:
    """Seen failing with `RECIPES.values()` in the command."""
    code = (
        "import sys; from plausible.inference.cli import main\n"
        "try: main(['train', 'mdn-arm', '--help'])\n"
        "finally: print(*(m for m in sys.modules if '.recipes.' in m))"
    )
    process = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    names = {name.rpartition(".")[2] for name in process.stdout.splitlines()[-1].split()}
    assert names == {"common", "mdn_arm", "outcome", "outputs", "record"}
