"""Study files for tests of whole runs: a tiny random model, own tasks, small limits."""

from pathlib import Path

TEMPLATE = """\
[study]
name = "test"
folder = "run"

[model]
path = "{model}"

[engine]
batch_items = {chunk}

{variants}

[[tasks]]
suite = "pairs"
languages = ["en", "ar"]

[[tasks]]
suite = "math"
languages = ["nb"]

[limits]
items = {items}
"""


def write_study(
    folder: Path,
    *,
    model: Path | str,
    recipes: tuple[str, ...] = (),
    items: int = 12,
    chunk: int = 4,
) -> Path:
    """Write study.toml into a folder and return its path."""
    variants = "\n".join(f'[[variants]]\nrecipe = "{recipe}"\n' for recipe in recipes)
    path = folder / "study.toml"
    path.write_text(
        TEMPLATE.format(model=model, chunk=chunk, variants=variants, items=items), "utf-8"
    )
    return path
