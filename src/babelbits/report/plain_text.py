"""Hostile text on one line, for pages and tables."""


def make_one_line(text: str) -> str:
    """`text` without control characters, line breaks and overrides of direction."""
    return "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in text)
