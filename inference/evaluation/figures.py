"""An evaluation in words: which figures a model has, each with its unit and standard error."""

from plausible.inference.evaluation.bounds import Evaluation

__all__ = ["figures"]


def figures(result: Evaluation, unit: str, is_density: bool) -> dict[str, str]:
    """The figures of an evaluation by label.

    Args:
        result: of `evaluate`.
        unit: what one datum is called, such as "image".
        is_density: whether the likelihood is one; other scores are not called by its name.

    Returns:
        The likelihood alone where it is exact; else the bound, its two parts, and the likelihood's
        importance-weighted bound.
    """
    score = "ln p(x)" if is_density else "Cross-entropy score, no density"
    if not result.particles:
        return {f"Held-out {score}": f"{result.log_likelihood} nats per {unit} (exact)"}
    return {
        "Held-out ELBO": f"{result.elbo} nats per {unit}",
        "of which KL": f"{result.kl} nats",
        "of which reconstruction": f"{result.reconstruction} nats",
        f"{score}, at least": f"{result.log_likelihood} nats per {unit} "
        f"({result.particles} importance-weighted draws)",
    }
