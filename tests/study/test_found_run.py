"""A whole run of found variants: made here and found elsewhere they give the same numbers."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from babelbits import make_variant
from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode
from babelbits.records import ItemRow
from babelbits.store import Store
from babelbits.study import load
from found_models import copy_model, write_awq, write_fp8, write_gptq

TASKS = """
[[tasks]]
suite = "text"
languages = ["nb", "ml"]
[limits]
items = 4
"""


def rows_of(folder: Path, variants: str, *, model: str = "bundled") -> dict[str, list[ItemRow]]:
    """Run a study and give the rows of each variant, in the plan's order."""
    file = folder / "study.toml"
    file.write_text(f'[model]\npath = "{model}"\n{variants}\n{TASKS}', "utf-8")
    assert babelbits(["run", str(file), "--workers", "1", "--no-report"]) == ExitCode.DONE
    study = load(file)
    store = Store(study.folder, smoke=True)
    rows: dict[str, list[ItemRow]] = {}
    for meta in store.planned():
        if meta.replicate == 0:
            rows.setdefault(meta.variant, []).extend(store.rows(meta))
    return rows


def scores(rows: list[ItemRow]) -> list[dict[str, float | None]]:
    return [dict(row.scores) for row in rows]


def as_a_stranger_would(recipe: str, calibration: str | None, folder: Path) -> Path:
    """A variant's files under another path, without what Babelbits says of them."""
    made = folder / "made"
    make_variant("bundled", recipe, made, calibration=calibration)
    files = [*made.glob("*.gguf")] or [*made.glob("*")]
    found = folder / f"stranger-{recipe}"
    found.mkdir()
    for file in files:
        if file.name != "manifest.json":
            shutil.copy(file, found / file.name)
    shutil.rmtree(made)
    return found


@pytest.mark.parametrize(
    ("recipe", "calibration"),
    [
        ("nf4", None),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (
                ("w8a8", None),
                ("w4-g", "nb"),
                ("fp8", None),
                ("llm-int8", None),
                ("q4_k_m", None),
                ("q2_k_s", "nb"),
            )
        ),
    ],
)
def test_found_and_made_variants_are_equal_number_by_number(
    recipe: str, calibration: str | None, tmp_path: Path
) -> None:
    found = as_a_stranger_would(recipe, calibration, tmp_path)
    text = f'calibration = "{calibration}"\n' if calibration else ""
    rows = rows_of(
        tmp_path,
        f'[[variants]]\nrecipe = "{recipe}"\nname = "made"\n{text}'
        f'[[variants]]\npath = "{found}"\nname = "found"',
    )
    assert scores(rows["found"]) == scores(rows["made"])
    assert scores(rows["found"]) != scores(rows["baseline"])
    store = Store(load(tmp_path / "study.toml").folder, smoke=True)
    folders = [one for one in (store.root / "variants").iterdir() if len(list(one.iterdir())) == 1]
    assert [one.name for one in folders[0].iterdir()] == ["manifest.json"]  # nothing was copied


def test_gptq_and_awq_checkpoints_give_the_numbers_of_the_weights_that_were_packed(
    tmp_path: Path,
) -> None:
    """Both hold the same codes: so do their numbers agree, digit by digit."""
    folders = [write_gptq(tmp_path / "gptq")[0], write_awq(tmp_path / "awq")[0]]
    rows = rows_of(tmp_path, "".join(f'[[variants]]\npath = "{one}"\n' for one in folders))
    assert scores(rows["gptq"]) == scores(rows["awq"]) != scores(rows["baseline"])


@pytest.mark.slow
def test_an_fp8_checkpoint_computes_with_the_weights_that_it_stands_for(tmp_path: Path) -> None:
    """Widened by hand, block by block, and kept in float32."""
    found, meant = write_fp8(tmp_path / "fp8")
    plain = copy_model(tmp_path / "plain", dtype="float32")
    weights = load_file(plain / "model.safetensors")
    weights = {name: meant.get(name, one).float().contiguous() for name, one in weights.items()}
    save_file(weights, plain / "model.safetensors", metadata={"format": "pt"})
    tables = "".join(f'[[variants]]\npath = "{one}"\n' for one in (found, plain))
    rows = rows_of(tmp_path, tables)
    for one, other in zip(scores(rows["fp8"]), scores(rows["plain"]), strict=True):
        assert one.keys() == other.keys()
        left, right = ([v for v in row.values() if v is not None] for row in (one, other))
        np.testing.assert_allclose(left, right, atol=2e-3)
