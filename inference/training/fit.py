"""`fit`: one training loop for every model, ours or a user's own Pyro function with its guide."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from plausible.inference.engines.choice import engine_for
from plausible.inference.isolation import isolated, own_modes, training
from plausible.inference.program import Function
from plausible.inference.training.arguments import check_names, fabric_for
from plausible.inference.training.failures import out_of_memory, warn_of_fall
from plausible.inference.training.loop import Run
from plausible.inference.training.prepare import prepare
from plausible.inference.training.request import request
from plausible.inference.training.result import Fit, Progress
from plausible.models.errors import PlausibleError
from plausible.models.objectives.objective import Objective
from plausible.models.ownership import Owners
from plausible.models.stores import taking_turns

__all__ = ["fit"]


def fit(
    model: Function,
    data: Any = (),
    *,
    guide: Function | None = None,
    objective: Objective | None = None,
    context: Mapping[str, object] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int | Literal["auto"] | None = "auto",
    scale_plates: bool = True,
    device: str = "auto",
    precision: Literal["float32", "bf16"] = "float32",
    compile: Literal["auto"] | bool = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    validation: Any = None,
    checkpoint_seconds: float = 30.0,
    callbacks: Sequence[Callable[[Progress], None]] = (),
) -> Fit:
    """Train a model by stochastic variational inference, or by its own objective.

    Minibatches are drawn without replacement in an order that depends on `seed` alone. Plates over
    the batch are scaled by N/B, so that global latents get the right posterior. The model is
    trained in place and stays on the device. The caller's random state, parameter store and Pyro
    settings are untouched. Runs in several threads take turns.

    Frozen parts stay frozen: a parameter with `requires_grad=False` does not move, and a submodule
    in evaluation mode inside a model in training mode stays in it, which freezes its batch norm. A
    model that is in evaluation mode as a whole, as `load` returns it, is trained in training mode.
    All flags are as before afterwards.

    Where the loss was plainly still falling at the end, a `TrainingWarning` says so: a straight
    line through the means of ten blocks of the last half of the steps falls, explains nine tenths
    of their variance, and falls by more than a tenth of what the loss fell in all. It is quiet
    where that cannot be told: below 200 steps, in noise that hides the fall, for losses of several
    players or with a weight that follows a schedule, and after a run that was stopped.

    Args:
        model: a `Model`, or a function or module with `pyro.sample` statements.
        data: a tensor, array or frame (NumPy, pandas, Polars; a frame is a matrix of its columns),
            or a tuple of them with one leading dimension, passed to model and guide by position; a
            dictionary of them, passed by keyword; a `Dataset`, whose rows are read batch for batch;
            a `DataLoader`, of which the dataset, the batch size and `collate_fn` are taken, while
            the order is that of `seed`, a last short batch is trained on, and no workers are
            started; a `Stream` of batches; or any `Source`. Tensors are taken as they are. Of all
            else floats take PyTorch's default type (float32), whole numbers and booleans keep
            theirs.
        guide: the variational program of a user's own model, for example an autoguide. None for a
            `Model`, and where nothing is latent.
        objective: what to train for; the model's own by default, the ELBO for a user's function.
        context: constants, passed to model and guide by keyword.
        epochs: passes over the data (20 where neither epochs nor steps is given).
        steps: training steps, instead of `epochs`; a step is one round of the objective's players.
        batch_size: data per step; None is the whole data set; "auto" is that of a `DataLoader`, the
            model's own choice, and the whole data set for a user's function.
        scale_plates: whether plates over a minibatch are scaled by N/B; False for a model that
            does that itself, as those of `pyro.contrib.gp` with `num_data=N`.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "mps".
        precision: "float32", or "bf16" for mixed precision in matrix products and convolutions.
        compile: which engine (docs/engine.md). "auto" captures the model as a tensor graph where
            the run is long enough, and compiles it while it trains; True waits for the compiled
            code and uses it in any case; False runs Pyro as it is. What cannot be captured or
            compiled trains all the same: `Fit.backend` says why.
        seed: seed of batches, initial guide and draws.
        out: folder for checkpoints; one that holds another run is refused.
        resume: folder or checkpoint file to go on from; everything else must be as it was, but
            `steps` or `epochs` may be more. The run ends bit-identical to one that was never
            stopped (on a CPU, with the same number of threads). Batch norm statistics are kept for
            modules that are given as model or guide, or whose methods are, not for those that only
            `pyro.module` names.
        validation: data that are not trained on, or a `Validation`, which also says how often and
            when to stop. The model then ends with the weights of the lowest validation loss.
        checkpoint_seconds: time between checkpoints; one is also written at the end.
        callbacks: called with a `Progress` after every step; what they draw at random does not
            change the run.

    Returns:
        The trained model with its losses.

    Raises:
        DataError: if the data do not fit the model.
        ModelError: if model, guide or an argument cannot be trained as asked.
        CheckpointError: if `out` cannot be written, or `resume` does not belong to this run.
        TrainingError: if a step fails, a loss is not finite or memory runs out; says where, and
            what was saved.
    """
    check_names(precision, compile, scale_plates, checkpoint_seconds, callbacks, context)
    asked = request(
        model,
        data,
        guide,
        objective,
        context,
        epochs,
        steps,
        batch_size,
        scale_plates,
        precision,
        seed,
        out,
        resume,
        validation,
    )
    fabric = fabric_for(device, precision)
    run: Run | None = None
    try:
        with (
            taking_turns(),
            Owners(asked.program).running() as owners,
            isolated(asked.seed, fabric.device, owners.start) as store,
            own_modes(fabric.device),
            training(asked.program),
        ):
            prepared = prepare(asked, fabric, owners)
            engine = engine_for(
                prepared.players,
                prepared.batches,
                range(prepared.step, prepared.steps),
                compile,
                before=prepared.engine,
                watched=bool(callbacks),
            )
            run = Run(prepared, engine, tuple(callbacks), checkpoint_seconds)
            try:
                run.train()
            finally:
                engine.close()
                owners.settle()
            result = run.result(store)
    except (RuntimeError, MemoryError) as error:
        explained = None
        if not isinstance(error, PlausibleError):
            done, written = (run.step, run.written) if run is not None else (0, None)
            explained = out_of_memory(error, done, asked.batch_size, written)
        if explained is None:
            raise
        raise explained from error
    fall = run.fall_at_the_end()
    if fall is not None:
        warn_of_fall(fall, run.step)
    return result
