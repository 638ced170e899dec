"""The commands `sample` and `evaluate`, which read a trained run."""

from pathlib import Path
from typing import Any, Literal

from plausible.inference.cli.console import say, show_facts
from plausible.inference.cli.errors import CommandError
from plausible.inference.cli.folders import folder_for
from plausible.inference.training.progress import announced, stage
from plausible.models.errors import CheckpointError

__all__ = ["evaluate", "sample"]

_COLUMNS = 20


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
        raise CommandError(f"--size must be at least 1, but is {size}.")
    with announced("sample"):
        from plausible.inference.latent.samples import new_data
        from plausible.inference.pictures.images import image_grid
        from plausible.inference.pictures.style import save

        model = _images_from_latents(run)
        target = out or (run if run.is_dir() else run.parent) / "samples.png"
        with folder_for(target.parent):
            stage("drawing")
            images = new_data(model, size, shown=pixels, seed=seed).clamp(0, 1)
            ink = images.shape[1] == 1
            picture = save(image_grid(images, columns=min(size, _COLUMNS), ink=ink), target)
    say(str(picture))
    return 0


def evaluate(run: Path, /, *, particles: int = 1000, seed: int = 0) -> int:
    """Print the held-out bounds of a trained run, on the data that it was trained from.

    Args:
        run: folder of a run.
        particles: draws per image in the importance-weighted bound.
        seed: seed of the draws.
    """
    with announced("evaluate"):
        from plausible.inference.data import load as load_data
        from plausible.inference.evaluation import bounds
        from plausible.inference.recipes.autoencoders.vae import evaluation_facts, observed
        from plausible.inference.recipes.common import described, scores_images
        from plausible.inference.recipes.record import Record

        model = _images_from_latents(run)
        if not scores_images(model):
            raise CheckpointError(
                f"{run} holds a {type(model).__name__}, which gives held-out data no density. Draw "
                "from it with plausible sample."
            )
        record = Record.read(run)
        if record is None:
            raise CheckpointError(
                f"{run}/run.json is missing, so the data of this run are not known. Finish it "
                "with plausible train ... --resume, or evaluate it from Python."
            )
        arguments = record.arguments
        images = load_data(arguments["data"], seed=arguments["seed"])
        _, held_out = observed(images, model.likelihood, arguments["seed"])
        stage(f"evaluating {len(held_out):,} images")
        result = bounds.evaluate(model, held_out, particles=particles, seed=seed)
        facts = {"Data": described(images)} | evaluation_facts(model, result, images)
    show_facts(facts)
    return 0


def _images_from_latents(run: Path) -> Any:
    from plausible.inference.recipes.common import draws_images
    from plausible.inference.training.checkpoints import load

    model = load(run)
    if not draws_images(model):
        raise CheckpointError(
            f"{run} holds a {type(model).__name__} that makes no images from latents. Its figures "
            "and pictures are on the page of the run; in Python, plausible.inference.load gives "
            "the model."
        )
    return model
