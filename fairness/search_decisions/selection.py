"""What selection into the records hides, and how strong an unseen cause would have to be."""

import math

from plausible.inference.errors import DataError

__all__ = ["e_value", "ratio_per_resident", "selection_bounds"]


def selection_bounds(
    one: float, other: float, share: float, discriminatory: float
) -> tuple[float, float]:
    r"""The effect of the group on searches among people who were stopped, if stops discriminate.

    Records hold stops only. Where a share rho of the stops of the first group would not have been
    made had the people been of the other one, the difference of search rates per stop is not the
    effect. With rates m₁ and m₀ per stop, and the share p of the first group among stops,

    .. math:: m_1 - m_0 + \rho p\, m_0 \;\leq\; \mathrm{effect} \;\leq\;
              p\,(m_1 - (1 - \rho)\, m_0) + (1 - p)\,(\min(1, m_1 / (1 - \rho)) - m_0)

    if people of the first group would be stopped wherever the others are, and stops that would not
    have been made otherwise lead to searches no more often than others.

    Args:
        one: m₁, searches per stop in the first group.
        other: m₀, in the other group.
        share: p, of the first group among the stops of both.
        discriminatory: rho, from 0 up to but not including 1.

    Returns:
        Both ends, as differences of probabilities; both are m₁ − m₀ where rho is 0 and no search
        rate reaches 1.

    Raises:
        DataError: for numbers outside of 0 to 1.

    Source: Knox, Lowe and Mummolo, Administrative records mask racially biased policing, American
    Political Science Review 114 (2020), proposition 2.
    """
    if not all(0 <= x <= 1 for x in (one, other, share)) or not 0 <= discriminatory < 1:
        raise DataError(
            "Rates and shares lie from 0 to 1, and the share of discriminatory stops below 1; got "
            f"{one}, {other}, {share} and {discriminatory}."
        )
    rest = 1 - discriminatory
    low = one - other + discriminatory * share * other
    high = share * (one - rest * other) + (1 - share) * (min(1.0, one / rest) - other)
    return low, high


def e_value(ratio: float) -> float:
    r"""How strongly an unseen cause would have to go with both sides to explain a ratio away.

    .. math:: E = r + \sqrt{r\,(r - 1)}, \quad r \geq 1

    An unseen cause must be E times as frequent in one group as in the other, and make the outcome E
    times as likely, or more on one of the two sides.

    Args:
        ratio: of two rates; below 1 its inverse is taken.

    Raises:
        DataError: for a ratio that is not above 0.

    Source: VanderWeele and Ding, Sensitivity analysis in observational research: introducing the
    E-value (2017).
    """
    if not ratio > 0 or not math.isfinite(ratio):
        raise DataError(f"A ratio is a number above 0; got {ratio}.")
    r = max(ratio, 1 / ratio)
    return r + math.sqrt(r * (r - 1))


def ratio_per_resident(among_searched: float, among_residents: float) -> float:
    r"""How many times as often a resident of one group is searched as one of the other.

    .. math:: \frac{q / (1 - q)}{d / (1 - d)}

    It needs no record of those who were not stopped: the share among the searched, and a census.

    Args:
        among_searched: q, share of the first group among the people of both who were searched.
        among_residents: d, its share among the residents of both.

    Raises:
        DataError: for shares that are not between 0 and 1.

    Source: Zhao, Keele, Small and Joffe, A note on posttreatment selection in studying racial
    discrimination in policing (2022).
    """
    if not (0 < among_searched < 1 and 0 < among_residents < 1):
        raise DataError(f"Shares lie between 0 and 1; got {among_searched} and {among_residents}.")
    odds = among_searched / (1 - among_searched)
    return odds * (1 - among_residents) / among_residents
