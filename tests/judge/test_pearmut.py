"""Campaigns of Pearmut: its format (README of 1.1), blinding, hostile texts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import TaskError
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.pearmut import make_model_codes, write_campaigns

PAIR = AnswerPair(
    source_id="1", item_id="i1", task="open-prompts", language="nb", variant="w4@en",
    prompt="Hva er 2 < 3?", baseline_answer="Sant.", variant_answer="<script>x</script>",
)  # fmt: skip


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_a_campaign_is_pearmuts(tmp_path: Path) -> None:
    """Keys as in its README: info, campaign_id, data; items with src, tgt and item_id."""
    other = replace(PAIR, variant="w8", variant_answer="Usant.")
    campaign, names = write_campaigns(tmp_path / "c.json", [PAIR, other], name="study")
    found = read(campaign)
    assert set(found) == {"info", "campaign_id", "data"}
    assert found["info"]["assignment"] == "single-stream"
    assert found["info"]["protocol"] in {"DA", "ESA", "cESA", "MQM"}
    [[item]] = found["data"]
    labels = read(names)
    assert {labels[code]: text for code, text in item["tgt"].items()} == {
        "baseline": "Sant.", "w4@en": "&lt;script&gt;x&lt;/script&gt;", "w8": "Usant.",
    }  # fmt: skip
    assert item["src"] == "Hva er 2 &lt; 3?"
    assert item["item_id"] == "open-prompts/nb/1"


def test_no_name_of_a_variant_is_in_what_raters_get(tmp_path: Path) -> None:
    campaign, _ = write_campaigns(tmp_path / "c.json", [PAIR], name="study")
    text = campaign.read_text("utf-8")
    assert "w4" not in text
    assert "baseline" not in text


def test_a_language_has_a_campaign_of_its_own(tmp_path: Path) -> None:
    pairs = [PAIR, replace(PAIR, language="sw")]
    files = write_campaigns(tmp_path / "c.json", pairs, name="study")
    assert [one.name for one in files] == ["c.nb.json", "c.sw.json", "c.names.json"]
    assert [read(one)["campaign_id"] for one in files[:2]] == ["study_nb", "study_sw"]


def test_identical_answers_are_left_out(tmp_path: Path) -> None:
    same = replace(PAIR, source_id="2", variant_answer=PAIR.baseline_answer)
    campaign, _ = write_campaigns(tmp_path / "c.json", [PAIR, same], name="study")
    assert len(read(campaign)["data"]) == 1
    with pytest.raises(TaskError, match="nothing to rate"):
        write_campaigns(tmp_path / "d.json", [same], name="study")


def test_codes_are_the_same_for_the_same_labels_and_all_different() -> None:
    codes = make_model_codes(["w8", "w4", "w8"])
    assert codes == make_model_codes(["w4", "w8"])
    assert len(set(codes.values())) == 3
