"""Which answer comes first: exact, fixed and recorded, never drawn when a page is made.

Three pure rules. (1) When a campaign is created the two answers of a pair become texts a and b;
within each language and variant the baseline is text a in every other pair of a keyed order. (2)
The n-th judgment wanted of a unit shows a first if n is even. Together: each pair is seen both ways
equally often (±1 where the number is odd), and among first judgments the baseline comes first in
exactly half of the pairs (±1). (3) A repeat shows the other order.
"""

from babelbits.annotate.secrets import derive_number

_PRIME = 1_000_003


def is_baseline_a(place: int) -> bool:
    """For the pair at `place` of its language and variant in keyed order."""
    return place % 2 == 0


def is_a_first(slot_number: int) -> bool:
    """For the judgment `slot_number` (from 0) wanted of a unit."""
    return slot_number % 2 == 0


def draw_rater_permutation(secret: bytes, rater_id: int) -> tuple[int, int, int]:
    """Factor, shift, modulus of a rater's own order: (rank * factor + shift) % modulus.

    So that not all raters are fresh for the same pairs. A prime modulus larger than any rank makes
    it a permutation.
    """
    factor = derive_number(secret, "order factor", rater_id) % (_PRIME - 1) + 1
    shift = derive_number(secret, "order shift", rater_id) % _PRIME
    return factor, shift, _PRIME


def check_is_due(secret: bytes, rater_id: int, *, pairs: int, checks: int, every: int) -> bool:
    """Whether a check comes next: one in every block of `every` pairs, at a keyed place of it.

    Parameters
    ----------
    pairs, checks : int
        Shown to this rater in this language so far.
    """
    if every < 1:
        return False
    place = derive_number(secret, "check", rater_id, checks) % every
    return pairs >= checks * every + place + 1
