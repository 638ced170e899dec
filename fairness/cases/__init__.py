"""The lecture's cases, with their counts and where those come from; a list of them is light."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.fairness.cases, not as fairness.cases.")

from plausible.fairness.cases.case import Case
from plausible.inference.errors import UnknownName

__all__ = ["CASES", "Case", "case"]

CASES = {
    name: Case(name, summary, f"{__name__}.{place}")
    for name, place, summary in (
        (
            "drug-use",
            "profiling.drug_use:drug_use",
            "Use and arrests: marijuana in the United States, 2010",
        ),
        ("compas", "scores.compas:compas", "COMPAS: a risk score of reoffending, and its errors"),
        (
            "admissions",
            "causes.admissions:admissions",
            "Berkeley 1973: admission by sex, raw and by department",
        ),
        (
            "feedback",
            "causes.feedback:feedback",
            "Patrols and profiling that make their own evidence",
        ),
        (
            "minneapolis",
            "profiling.minneapolis:minneapolis",
            "Minneapolis 2017: who is searched after a stop",
        ),
        (
            "child-benefits",
            "scores.child_benefits:child_benefits",
            "A risk score above 0.8 is investigated (simulated)",
        ),
        (
            "basketball",
            "examples.basketball:basketball",
            "Tall people and basketball: the prosecutor's fallacy",
        ),
        (
            "spurious",
            "examples.spurious_pair:spurious_pair",
            "Divorces and margarine: correlations by chance",
        ),
        (
            "translation",
            "examples.translation:translation",
            "A prediction is not an action: translation and e-mail",
        ),
    )
}


def case(name: str) -> Case:
    """The case of that name.

    Raises:
        UnknownName: for another name; suggests the nearest.
    """
    if name not in CASES:
        raise UnknownName("case", name, CASES)
    return CASES[name]
