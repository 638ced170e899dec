"""One name for one rate on a page, however many analyses have it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.analysis import Analysis, Finding

__all__ = ["one_name"]

# Whose names are terms of the field; a sentence of another analysis says the same in plain words.
_TERMS = ("scores", "metrics", "thresholds")
_NO_RATES = ("ranking", "versus")  # areas under curves, which rest on counts too
_FIRST = ("base-rates", "scores")  # whose sentence is kept where several say the same


def one_name(analyses: Sequence[Analysis]) -> list[Analysis]:
    """The analyses of a page, where a rate has the same name in all of them.

    Rates of the same counts are the same, such as the selection rate and the rate of approvals
    among applicants. Its name is then the term of the field with the plain words after it, or else
    the words that come first; and of sentences on it one is kept, with the term or without.

    Args:
        analyses: in the order of the page.
    """
    alike = [same for same in _alike(analyses) if len({e.words for _, e in same}) > 1]
    names = {id(e): _name(same) for same in alike for _, e in same}
    repeated = _repeated(analyses, alike)
    return [
        replace(
            analysis,
            estimates=[_named(e, names) for e in analysis.estimates],
            findings=[_renamed(f, names) for f in _kept(analysis.findings, repeated)],
        )
        for analysis in analyses
    ]


def _alike(analyses: Sequence[Analysis]) -> list[list[tuple[Analysis, Estimate]]]:
    """Estimates that are of the same counts and have the same value, up to their priors."""
    groups: dict[object, list[list[tuple[Analysis, Estimate]]]] = {}
    for analysis, e in _estimates(analyses):
        kinds = groups.setdefault(_key(e), [])
        same = next((kind for kind in kinds if _close(kind[0][1], e)), None)
        if same is None:
            kinds.append([(analysis, e)])
        else:
            same.append((analysis, e))
    return [kind for kinds in groups.values() for kind in kinds]


def _estimates(analyses: Sequence[Analysis]) -> Iterator[tuple[Analysis, Estimate]]:
    for analysis in analyses:
        for e in analysis.estimates:
            if e.counts and e.group and analysis.name not in _NO_RATES:
                yield analysis, e


def _key(e: Estimate) -> object:
    """Whose counts they are, in whichever order two groups are compared."""
    who = [e.group] if len(e.counts) == 1 else [e.group, e.reference]
    return e.measure, e.stratum, frozenset(zip(who, e.counts, strict=True))


def _close(one: Estimate, other: Estimate) -> bool:
    if one.measure == "ratio":
        return math.isclose(abs(math.log(one.value)), abs(math.log(other.value)), rel_tol=1e-6)
    return abs(abs(one.value) - abs(other.value)) <= (one.high - one.low) / 2


def _name(same: Sequence[tuple[Analysis, Estimate]]) -> str:
    terms = [e.words for analysis, e in same if analysis.name in _TERMS]
    plain = [e.words for analysis, e in same if analysis.name not in _TERMS]
    return f"{terms[0]} ({plain[0]})" if terms and plain else (terms or plain)[0]


def _named(e: Estimate, names: dict[int, str]) -> Estimate:
    return replace(e, words=names[id(e)]) if id(e) in names else e


def _renamed(finding: Finding, names: dict[int, str]) -> Finding:
    e = finding.estimate
    return finding if e is None else replace(finding, estimate=_named(e, names))


def _repeated(
    analyses: Sequence[Analysis], alike: Sequence[Sequence[tuple[Analysis, Estimate]]]
) -> set[int]:
    """Estimates whose sentence says under another name what one that is kept says."""
    resting = {id(f.estimate) for a in analyses for f in a.findings if f.estimate is not None}
    repeated: set[int] = set()
    for same in alike:
        sentences = [(a, e) for a, e in same if id(e) in resting]
        if any(a.name in _TERMS for a, _ in sentences):
            order = sorted(sentences, key=lambda one: _rank(one[0].name))
            repeated |= {id(e) for _, e in order[1:]}
    return repeated


def _rank(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _kept(findings: Sequence[Finding], repeated: set[int]) -> Sequence[Finding]:
    """All but those that say the same over again, as long as there are others."""
    kept = [f for f in findings if id(f.estimate) not in repeated]
    return kept or findings
