"""The command line, generated from the signatures and docstrings of the recipes."""

import functools
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from cyclopts import App
from rich.console import Console
from rich.table import Table

from plausible.inference.data import load as load_data
from plausible.inference.evaluation.bounds import evaluate as evaluate_model
from plausible.inference.latent.samples import conditions_of, is_latent, new_data
from plausible.inference.pictures.images import image_grid
from plausible.inference.pictures.style import save, write_whole
from plausible.inference.recipes import RECIPES
from plausible.inference.recipes.autoencoders.vae import evaluation_facts, observed
from plausible.inference.recipes.common import Interrupted, described
from plausible.inference.recipes.demo import demo
from plausible.inference.recipes.outcome import Outcome
from plausible.inference.training.checkpoints import load, writable_folder
from plausible.inference.training.progress import announced, stage
from plausible.models import (
    CheckpointError,
    DataError,
    ModelError,
    PlausibleError,
    UnknownName,
)

__all__ = ["main"]

_INTERRUPTED = 130
_console = Console()
_errors = Console(stderr=True)


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").splitlines()[0]


def _show(facts: dict[str, str]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    for label, value in facts.items():
        table.add_row(label, value)
    _console.print(table)


def _command(name: str, recipe: Callable[..., Outcome]) -> Callable[..., int]:
    """The recipe as a command: the same parameters and help, then its figures and its page."""

    @functools.wraps(recipe)
    def command(**arguments: Any) -> int:
        bound = inspect.signature(recipe).bind(**arguments)
        bound.apply_defaults()
        writable_folder(bound.arguments["out"])
        try:
            with announced(name):
                stage("loading")
                outcome = recipe(**arguments)
        except Interrupted as stop:
            saved = stop.run.checkpoint
            resumable = saved and "resume" in bound.arguments
            hint = f" Go on with the same command and --resume; saved: {saved}."
            _errors.print(f"{stop}{hint if resumable else ''}")
            return _INTERRUPTED
        page = outcome.write(bound.arguments, _first_line(recipe).rstrip("."))
        _show(outcome.facts)
        _console.print(f"Pictures and page: {page}", soft_wrap=True, markup=False)
        return 0

    command.__signature__ = inspect.signature(recipe)  # type: ignore[attr-defined]
    command.__annotations__ = {**recipe.__annotations__, "return": int}
    return command


def _list_recipes() -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("recipe", style="bold")
    table.add_column("what it trains")
    for name, recipe in RECIPES.items():
        table.add_row(name, _first_line(recipe))
    _console.print(table)
    _console.print("Options of a recipe: plausible train RECIPE --help")


def sample(
    run: Path,
    /,
    *,
    size: int = 100,
    pixels: Literal["mean", "drawn"] = "mean",
    seed: int = 0,
    out: Path | None = None,
) -> int:
    """Draw new images from a trained model and write them as one picture.

    Args:
        run: folder of a run, or a checkpoint file.
        size: number of images.
        pixels: the mean of p(x given z) for each latent, or pixels drawn from it.
        seed: seed of the draws.
        out: the picture to write; samples.png in the run's folder by default.
    """
    if size < 1:
        raise ModelError(f"--size must be at least 1, but is {size}.")
    model = _decoder(run)
    images = new_data(model, size, shown=pixels, seed=seed).clamp(0, 1)
    target = out or (run if run.is_dir() else run.parent) / "samples.png"
    writable_folder(target.parent)
    columns = min(size, 20)
    _console.print(str(save(image_grid(images, columns=columns, ink=images.shape[1] == 1), target)))
    return 0


def evaluate(run: Path, /, *, particles: int = 1000, seed: int = 0) -> int:
    """Print the held-out bounds of a trained run, on the data that it was trained from.

    Args:
        run: folder of a run.
        particles: draws per image in the importance-weighted bound.
        seed: seed of the draws.
    """
    model = _with_encoder(run)
    record = run / "run.json"
    if not record.exists():
        raise CheckpointError(
            f"{record} is not there, so the data of this run are not known: finish it first with "
            "plausible train ... --resume, or evaluate it from Python."
        )
    arguments = json.loads(record.read_text(encoding="utf-8"))["arguments"]
    images = load_data(arguments["data"], seed=arguments["seed"])
    _, held_out = observed(images, model.likelihood, arguments["seed"])
    result = evaluate_model(model, held_out, particles=particles, seed=seed)
    _show({"Data": described(images)} | evaluation_facts(model, result, images))
    return 0


def _decoder(run: Path) -> Any:
    model: Any = load(run)
    makes_images = len(getattr(model, "x_shape", ())) == 3
    if not (makes_images and is_latent(model) and conditions_of(model) == 0):
        raise CheckpointError(
            f"{run} holds a {type(model).__name__} that makes no images from latents. Its figures "
            "and pictures are on the page of the run; in Python, plausible.inference.load gives "
            "the model."
        )
    return model


def _with_encoder(run: Path) -> Any:
    model = _decoder(run)
    if not hasattr(model, "encode"):
        raise CheckpointError(
            f"{run} holds a {type(model).__name__}, which gives held-out data no density. Draw "
            "from it with plausible sample."
        )
    return model


def report(
    source: str | None = None,
    /,
    *,
    list: bool = False,
    group: str | None = None,
    trials: str | None = None,
    events: str | None = None,
    hits: str | None = None,
    by: str | None = None,
    decision: str | None = None,
    outcome: str | None = None,
    score: str | None = None,
    threshold: float | None = None,
    date: str | None = None,
    since: str | None = None,
    until: str | None = None,
    reference: str | None = None,
    out: Path | None = None,
    json: Path | None = None,
    markdown: Path | None = None,
    seed: int = 0,
) -> int:
    """Write the report of a case, or of a table of one's own.

    plausible report compas --out compas.html

    plausible report stops.csv --group race --events searched --hits found --by department

    Args:
        source: a case (see --list), or a CSV file, a Parquet file or a folder of them.
        list: show all cases.
        group: column of the groups; several with commas between are crossed.
        trials: column of counts to divide by; without it a row is one trial.
        events: column of what is counted: yes or no, or counts.
        hits: column of how many events found what was looked for.
        by: column of strata.
        decision: column of decisions, yes or no.
        outcome: column of outcomes, yes or no.
        score: column of scores, instead of decisions.
        threshold: above it a score is a yes.
        date: column of days.
        since: first day that counts, YYYY-MM-DD.
        until: last day that counts.
        reference: the group that others are compared with; the largest by default.
        out: the page; report.html or the case's name by default.
        json: file for the numbers.
        markdown: file for the text.
        seed: seed of all draws; a case has its own.
    """
    from plausible.fairness.audit import Audit
    from plausible.fairness.cases import CASES, case
    from plausible.fairness.counts.columns import Columns

    if list or source is None:
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("case", style="bold")
        table.add_column("what it is about")
        for one in CASES.values():
            table.add_row(one.name, one.summary)
        _console.print(table)
        _console.print("A table of your own: plausible report FILE --group ... --events ...")
        return 0 if list else 2
    is_case = source in CASES or not (Path(source).exists() or Path(source).suffix or group)
    name = source if is_case else "report"
    page = out or Path(f"{name}.html")
    files = [file for file in (page, json, markdown) if file is not None]
    if len({file.resolve() for file in files}) < len(files):
        raise DataError("The page, --json and --markdown need a file each, with its own name.")
    for file in files:
        read, written = Path(source).resolve(), file.resolve()
        part = written.suffix.lower() in (".parquet", ".pq") and read in written.parents
        if written == read or part:
            raise DataError(f"The report would overwrite the table {source}. Name another file.")
        if file.is_dir():
            raise DataError(f"{file} is a folder. Name a file to write.")
        writable_folder(file.parent)
    if is_case:
        given = (group, trials, events, hits, by, decision, outcome, score, threshold)
        if any(one is not None for one in (*given, date, since, until, reference)):
            raise DataError(f"The case {source} has its own counts: it takes no columns.")
        made = case(source).report()
    else:
        if group is None:
            raise DataError("Which column holds the groups? Name it with --group.")
        columns = Columns(
            [part.strip() for part in group.split(",")],
            trials=trials,
            events=events,
            hits=hits,
            by=by,
            decision=decision,
            outcome=outcome,
            score=score,
            threshold=threshold,
            date=date,
            since=since,
            until=until,
        )
        made = Audit(source, columns, reference=reference, seed=seed).report()
    made.write(page)
    for target, text in ((json, made.to_json), (markdown, made.to_markdown)):
        if target is not None:
            write_whole(target, text().encode("utf-8"))
    for analysis in made.analyses:
        _console.print(analysis.title, style="bold", markup=False)
        for finding in analysis.findings:
            _console.print(f"  {finding.text}", soft_wrap=True, markup=False, highlight=False)
    if made.skipped:
        _console.print("Not analysed", style="bold")
    for what, why in made.skipped:
        _console.print(f"  {what}: {why}", soft_wrap=True, markup=False, highlight=False)
    _console.print(f"Report: {page}", soft_wrap=True, markup=False)
    return 0


def _application() -> App:
    app = App(
        name="plausible",
        help="Deep generative models as Pyro programs, and reports on profiling.",
        help_epilogue="--debug shows the traceback of an error.",
        version=lambda: f"plausible {version('plausible')}",
    )
    train = App(name="train", help="Train a model by a recipe; --list shows all recipes.")

    @train.default
    def train_default(*, list: bool = False) -> int:
        """Train a model by a recipe.

        Args:
            list: show all recipes.
        """
        if list:
            _list_recipes()
            return 0
        train.help_print([])
        return 2

    for name, recipe in RECIPES.items():
        train.command(_command(name, recipe), name=name)
    app.command(train)
    app.command(sample)
    app.command(evaluate)
    app.command(report)

    @app.command(name="demo")
    def demo_command(*, out: Path = Path("demo"), seed: int = 0) -> int:
        """Train the demonstration models and write a page with their pictures.

        Args:
            out: folder for the page.
            seed: seed of everything random.
        """
        with announced("demo"):
            page = demo(writable_folder(out), seed)
        _console.print(f"Open {page} in a browser.", soft_wrap=True, markup=False)
        return 0

    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; errors are one sentence on the error stream, `--debug` adds the traceback."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    tokens = [token for token in tokens if token != "--debug"]
    try:
        if len(tokens) > 1 and tokens[0] == "train" and not tokens[1].startswith("-"):
            if tokens[1] not in RECIPES:
                raise UnknownName("recipe", tokens[1], RECIPES)
        sys.exit(_application()(tokens, result_action="return_value"))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception as error:
        if debug:
            traceback.print_exc()
        known = isinstance(error, PlausibleError)
        sentence = str(error) if known else f"{type(error).__name__}: {error}"
        hint = "" if known or debug else " (--debug shows where)"
        _errors.print(f"plausible: {sentence}{hint}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
