"""Token limits in a plan: scaled by the model's tokenizer, part of the identity."""

from pathlib import Path

import pytest

from babelbits.errors import ModelError
from babelbits.records import GenerateRequest
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.config.problems import StudyFileError
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import Plan
from babelbits.study.planning.task_builder import make_token_counter
from flores_files import archive

ENGLISH = ["A dog sleeps in the sun.", "Two cats are in the house."]
THAI = ["สุนัขตัวหนึ่งกำลังนอนหลับอยู่กลางแดด", "มีแมวสองตัวอยู่ในบ้านหลังนี้"]
STUDY = """\
[model]
path = "bundled"
[engine]
device = "cpu"
[[variants]]
recipe = "w8"
[[tasks]]
suite = "{suite}"
languages = ["th"]
shots = 0
{more}
[data]
flores = "."
"""


def planned(folder: Path, *, suite: str = "flores", more: str = "") -> Plan:
    archive(folder, eng_Latn=ENGLISH, tha_Thai=THAI)
    file = folder / "study.toml"
    file.write_text(STUDY.format(suite=suite, more=more), "utf-8")
    study = load(file)
    base = locate(study.model)
    return make_plan(study, Store(study.folder), base=base, build=build_light)


def limits(plan: Plan) -> set[int]:
    tasks = [cell.task for cell in plan.cells if cell.task is not None]
    requests = [r for task in tasks for item in task.items() for r in item.requests]
    return {one.max_new_tokens for one in requests if isinstance(one, GenerateRequest)}


def ids(plan: Plan) -> list[str]:
    return [meta.cell_id for meta in plan.metas]


def test_the_limit_is_the_tokenizers_ratio_for_all_variants(tmp_path: Path) -> None:
    """Tokens counted with the model's own tokenizer, outside our code."""
    from tokenizers import Tokenizer

    plan = planned(tmp_path)
    tokenizer = Tokenizer.from_file(str(plan.base.folder / "tokenizer.json"))
    thai, english = (
        sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)
        for texts in (THAI, ENGLISH)
    )
    assert thai > english
    assert limits(plan) == {-(-256 * thai // english)}
    assert {cell.variant for cell in plan.cells} == {"baseline", "w8"}


def test_fixed_limits_are_the_tasks_own_and_other_cells(tmp_path: Path) -> None:
    scaled = planned(tmp_path)
    fixed = planned(tmp_path, more='token_limits = "fixed"')
    assert limits(fixed) == {256}
    assert set(ids(scaled)).isdisjoint(ids(fixed))
    assert ids(planned(tmp_path, more='token_limits = "scaled"')) == ids(scaled)


def test_into_english_the_limit_is_englishs(tmp_path: Path) -> None:
    assert limits(planned(tmp_path, suite="flores-from")) == {256}


@pytest.mark.parametrize(
    ("suite", "more", "message"),
    [
        ("flores", 'pivot = "th"', "cannot be translated into itself"),
        ("flores", 'pivot = "tlh"', "'tlh'"),
        ("belebele", 'pivot = "en"', "does not translate"),
        ("flores", 'token_limits = "long"', "'scaled' or 'fixed'"),
    ],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, suite: str, more: str, message: str
) -> None:
    with pytest.raises(StudyFileError) as caught:
        planned(tmp_path, suite=suite, more=more)
    assert message in str(caught.value)


def test_a_broken_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer cannot be read"):
        make_token_counter(tmp_path)
