"""The lecture's cases, with their counts and where those come from."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.fairness.cases, not as fairness.cases.")

from plausible.fairness.cases.case import Case
from plausible.fairness.cases.causes.admissions import admissions
from plausible.fairness.cases.examples.basketball import basketball
from plausible.fairness.cases.examples.spurious_pair import spurious_pair
from plausible.fairness.cases.examples.translation import translation
from plausible.fairness.cases.profiling.drug_use import drug_use
from plausible.fairness.cases.profiling.minneapolis import minneapolis
from plausible.fairness.cases.scores.child_benefits import child_benefits
from plausible.fairness.cases.scores.compas import compas
from plausible.inference.errors import UnknownName

__all__ = ["CASES", "Case", "case"]

CASES = {
    one.name: one
    for one in (
        Case("drug-use", "Use and arrests: marijuana in the United States, 2010", drug_use),
        Case("compas", "COMPAS: a risk score of reoffending, and its errors", compas),
        Case("admissions", "Berkeley 1973: admission by sex, raw and by department", admissions),
        Case("minneapolis", "Minneapolis 2017: who is searched after a stop", minneapolis),
        Case(
            "child-benefits", "A risk score above 0.8 is investigated (simulated)", child_benefits
        ),
        Case("basketball", "Tall people and basketball: the prosecutor's fallacy", basketball),
        Case("spurious", "Divorces and margarine: correlations by chance", spurious_pair),
        Case("translation", "A prediction is not an action: translation and e-mail", translation),
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
