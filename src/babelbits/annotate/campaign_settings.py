"""What a campaign is: fixed before the first vote. No file and no database here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The design of a campaign. Shares are fractions in [0, 1]."""

    title: str
    """Shown to raters; empty: the interface's own words."""
    overlap: int = 3
    """Judgments wanted of a unit in the declared subset; 1 of every other."""
    overlap_share: float = 0.3
    """Of the pairs of each language and variant: the declared subset."""
    check_every: int = 10
    """One check after so many pairs: gold, identical answers, or a repeat. 0: none."""
    gold: int = 6
    """Units made by rule, a language."""
    identical: int = 2
    """Identical answers shown on purpose, a language."""
    repeats: bool = True
    """Whether raters see some of their own pairs again, sides swapped."""
    screen: int = 4
    """Units made by rule that come first in a language; 0: no screen."""
    screen_pass: int = 3
    """Right answers of the screen that open the language."""
    lease_minutes: float = 15.0
    exclude_below: float = 0.7
    """Declared beforehand: raters with a smaller share of right checks are left out of the second
    of the two results, which are always shown together."""
    exclude_min_checks: int = 4
    """Checks that it takes to say so."""
    pay_per_hour: float | None = None
    """For the estimate from measured time; None: no pay is mentioned."""
    currency: str = ""

    @property
    def lease_seconds(self) -> float:
        """How long a unit is kept for the rater who sees it."""
        return 60 * self.lease_minutes


def list_problems(settings: Settings) -> list[str]:
    """What is wrong with settings, all of it; empty if nothing is."""
    sentences = []
    if settings.overlap < 1:
        sentences.append(f"--overlap {settings.overlap}: at least one judgment a pair")
    if not 0 <= settings.overlap_share <= 1:
        sentences.append(f"--overlap-share {settings.overlap_share}: a fraction from 0 to 1")
    if settings.screen_pass > settings.screen:
        sentences.append(f"--screen-pass {settings.screen_pass}: the screen has {settings.screen}")
    if settings.lease_minutes <= 0:
        sentences.append(f"--lease {settings.lease_minutes}: minutes, more than 0")
    negative = ("check_every", "gold", "identical", "screen", "screen_pass")
    sentences += [
        f"--{name.replace('_', '-')} {getattr(settings, name)}: not less than 0"
        for name in negative
        if getattr(settings, name) < 0
    ]
    return sentences
