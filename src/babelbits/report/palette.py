"""Colours of the report, named once: safe for the usual forms of colour blindness.

Charts use the light values; on the page each is replaced by a custom property that follows the
reader's light or dark scheme (`svg.embed_chart`). Verdicts have a glyph and a word beside the
colour.
"""

from collections.abc import Mapping

WORSE = "#c2410c"
EQUIVALENT = "#0f766e"
BETTER = "#1d4ed8"
UNDECIDED = "#716c64"
INK = "#1c1a17"
SOFT = "#6b665e"
LINE = "#dcd7ce"
BAND = "#e3efec"
SURFACE = "#fffefb"

OF_VERDICT: Mapping[str, str] = {
    "worse": WORSE,
    "equivalent": EQUIVALENT,
    "better": BETTER,
    "undecided": UNDECIDED,
}
SHAPE_OF_VERDICT: Mapping[str, str] = {
    "worse": "triangle-down",
    "equivalent": "square",
    "better": "triangle-up",
    "undecided": "circle",
}
PROPERTIES: Mapping[str, str] = {
    WORSE: "--worse",
    EQUIVALENT: "--equivalent",
    BETTER: "--better",
    UNDECIDED: "--undecided",
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    BAND: "--band",
    SURFACE: "--surface",
}
