"""The command `train`: recipes as commands, generated from their signatures and docstrings."""

import functools
import inspect
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from plausible.inference.cli.console import say, show_facts, show_list
from plausible.inference.cli.errors import CommandError
from plausible.inference.cli.folders import folder_for
from plausible.inference.recipes import RECIPES
from plausible.inference.training.progress import announced, stage
from plausible.models.errors import CheckpointError, UnknownName

if TYPE_CHECKING:
    from plausible.inference.recipes.outcome import Outcome

__all__ = ["train_commands"]

_CHECKPOINT = "checkpoint.pt"
_OVERWRITE = Parameter(help="train anew in the place of the run that the folder holds.")


def train_commands(tokens: Sequence[str]) -> App:
    """`train` with the recipe that the command names, the only one to be imported; else with all.

    Raises:
        UnknownName: for a name that is not one of a recipe.
    """
    train = App(
        name="train",
        help="Train a model by a recipe.",
        help_epilogue="Options of a recipe: plausible train RECIPE --help",
    )

    @train.default
    def without_recipe(*, recipes: Annotated[bool, Parameter(name="--list")] = False) -> int:
        """Train a model by a recipe.

        Args:
            recipes: show all recipes.
        """
        show_list(("recipe", "what it trains"), ((n, RECIPES.summary(n)) for n in RECIPES))
        say("Options of a recipe: plausible train RECIPE --help")
        return 0 if recipes else 2

    if len(tokens) > 1 and tokens[0] == "train" and not tokens[1].startswith("-"):
        name = tokens[1]
        if name not in RECIPES:
            raise UnknownName("recipe", name, RECIPES)
        with announced(name):
            recipe = RECIPES[name]
        command = _command(name, recipe, shlex.join(["plausible", *tokens]))
        train.command(command, name=name, help_epilogue="")
    else:
        for name, place in RECIPES.places.items():
            train.command(place, name=name, help=RECIPES.summary(name))
    return train


def _command(name: str, recipe: Callable[..., "Outcome"], line: str) -> Callable[..., int]:
    """The recipe as a command: the same parameters and help, then its figures and its page."""
    from plausible.inference.recipes.common import Interrupted
    from plausible.inference.recipes.record import Record
    from plausible.inference.training.folders import set_aside

    signature = inspect.signature(recipe)

    @functools.wraps(recipe)
    def command(*, overwrite: bool = False, **arguments: Any) -> int:
        bound = signature.bind(**arguments)
        bound.apply_defaults()
        out, resume = bound.arguments["out"], bound.arguments.get("resume")
        _check_free(out, overwrite, resume)
        record = Record.now(name, line, bound.arguments)
        with folder_for(out), announced(name):
            if overwrite:
                set_aside(out)
            before = _saved_at(out)
            try:
                outcome = recipe(**arguments)
                stage("writing the page")
                page = outcome.write(record, RECIPES.summary(name).rstrip("."))
            except BaseException as stop:
                if _saved_at(out) == before:
                    raise
                record.write(out)
                if not isinstance(stop, KeyboardInterrupt):
                    raise
                hint = "" if resume is None else " Go on with the same command and --resume."
                what = stop if isinstance(stop, Interrupted) else "Stopped."
                raise KeyboardInterrupt(f"{what} Saved: {out / _CHECKPOINT}.{hint}") from stop
        show_facts(outcome.facts)
        say(f"Pictures and page: {page}")
        return 0

    own = inspect.Parameter(
        "overwrite",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, _OVERWRITE],
    )
    parameters = [*signature.parameters.values(), own]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {
        **recipe.__annotations__,
        "overwrite": own.annotation,
        "return": int,
    }
    return command


def _check_free(out: Path, overwrite: bool, resume: bool | None) -> None:
    """Raise where a run would take the place of another that nobody gave up.

    Args:
        out: folder of the run.
        overwrite: whether the run in it may go.
        resume: whether it is to go on; None where the recipe cannot.
    """
    from plausible.inference.recipes.record import Record

    if overwrite and resume:
        raise CommandError("Give --overwrite or --resume, not both.")
    if overwrite or resume:
        return
    earlier = Record.read(out)
    if earlier is None and not (out / _CHECKPOINT).exists():
        return
    what = f": {earlier}" if earlier is not None else ""
    go_on = "" if resume is None else "--resume goes on with it, "
    raise CheckpointError(
        f"{out} holds a run{what}. {go_on}--overwrite trains anew in its place, --out names "
        "another folder."
    )


def _saved_at(out: Path) -> int | None:
    """When the checkpoint in a folder was written; None without one."""
    file = out / _CHECKPOINT
    return file.stat().st_mtime_ns if file.exists() else None
