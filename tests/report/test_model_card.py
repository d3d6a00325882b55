"""Each sentence of a model card under inputs of known truth; metadata as the hub reads them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.records import CalibrationRecord
from babelbits.report.exports import escape_markdown
from babelbits.report.model_card import NOTHING, Licence, VariantCard, write_model_card
from babelbits.results.results import OpenCell, Results
from babelbits.results.sources import load
from compare_cells import right_wrong
from decision_cells import Scores, study_cells
from report import synthetic
from run_folders import record

hub = pytest.importorskip("huggingface_hub")
Card = Callable[..., str]


def table(*, broke: int, fixed: int) -> Scores:
    """500 items, of which the baseline of `SHOWN` gets 400."""
    before, _ = right_wrong(both_right=400, broke=0, fixed=0, both_wrong=100)
    return before, [0.0] * broke + [1.0] * (400 - broke) + [1.0] * fixed + [0.0] * (100 - fixed)


WORSE, DOUBT, GAIN = table(broke=60, fixed=2), table(broke=20, fixed=18), table(broke=2, fixed=60)
SAME = table(broke=0, fixed=0)


@pytest.fixture
def card(tmp_path: Path) -> Card:
    def make(answers: dict[str, Scores], **changes: object) -> str:
        results = results_of(tmp_path, answers)
        values = {"label": "w4", "manifest": results.manifests["w4"], "results": results, **changes}
        return write_model_card(VariantCard(**values))  # type: ignore[arg-type]

    return make


def results_of(folder: Path, answers: dict[str, Scores]) -> Results:
    cells = study_cells(answers, variant="w4")
    return load(record(folder / "study.run", cells, sizes={"baseline": 16.0, "w4": 4.0}))


def part(text: str, heading: str) -> str:
    """A section of the card."""
    return text.partition(f"## {heading}")[2].partition("\n## ")[0]


def rows(text: str) -> dict[str, list[str]]:
    """Language to the cells of its row."""
    lines = [line for line in text.splitlines() if line.startswith("| xcopa")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[1]: row for row in cells}


MEASURED = "What quantization did"


# --- what was measured -------------------------------------------------------------------------


def test_each_language_has_its_own_verdict(card: Card) -> None:
    """60 of 500 broke and 2 fixed: −11.6 points; none broke; 20 and 18: open at a margin of 2."""
    found = rows(card({"en": SAME, "sw": WORSE, "ja": DOUBT}))
    assert found["Swahili"][2:5] == ["500", "80.0", "−11.6 points"]
    assert found["Swahili"][6].startswith("worse")
    assert found["English"][4] == "0.0 points"
    assert found["English"][6] == "equivalent"
    assert found["Japanese"][6].startswith("undecided")


@pytest.mark.parametrize(
    ("answers", "says", "never"),
    [
        ({"en": SAME, "sw": WORSE}, "confirmed in 1 of 2 languages", "better"),
        ({"en": SAME, "sw": SAME}, "equivalen", "worse on"),
        ({"en": DOUBT, "sw": DOUBT}, "undecided", "worse on"),
        ({"en": GAIN, "sw": GAIN}, "better", "worse on"),
    ],
)
def test_the_verdict_is_that_of_the_truth(
    card: Card, answers: dict[str, Scores], says: str, never: str
) -> None:
    said = part(card(answers), MEASURED).partition("Each item")[0]
    assert says in said
    assert never not in said


def test_an_undecided_variant_is_nowhere_called_unharmed(card: Card) -> None:
    said = part(card({"en": DOUBT, "sw": DOUBT}), MEASURED)
    assert "Undecided: the data cannot tell, which is not the same as no harm." in said
    for word in ("unharmed", "no harm is", "lossless", "equivalent in"):
        assert word not in said


def test_the_margin_and_the_level_are_the_studys(card: Card) -> None:
    said = part(card({"en": SAME}), MEASURED)
    assert "intervals are of 95 %" in said
    assert "Equivalent: shown to be smaller than 2 points." in said


def test_what_was_not_measured_is_named(tmp_path: Path) -> None:
    results = results_of(tmp_path, {"en": SAME})
    gap = OpenCell(variant="w4", suite="xcopa", language="sw", state="missing", reason="not run")
    other = replace(gap, variant="w8", language="ja")
    for gaps, told in (((), False), ((gap,), True), ((other,), False)):
        made = VariantCard(
            label="w4",
            manifest=results.manifests["w4"],
            results=replace(results, open_cells=gaps),
        )
        text = write_model_card(made)
        assert ("No result: xcopa in sw \\(missing\\)." in text) is told


def test_nothing_measured_is_said_and_no_verdict(card: Card) -> None:
    said = part(card({"en": SAME}, results=None), MEASURED)
    assert NOTHING in said
    assert "equivalent" not in said
    other = part(card({"en": SAME}, label="w2"), MEASURED)
    assert NOTHING in other


def test_results_of_the_bundled_model_are_said_not_to_carry_over(tmp_path: Path) -> None:
    results = results_of(tmp_path, {"en": SAME})
    for bundled in (False, True):
        told = replace(results, study=replace(results.study, bundled=bundled))
        made = VariantCard(label="w4", manifest=results.manifests["w4"], results=told)
        assert ("do not carry over" in write_model_card(made)) is bundled


# --- what it is and how it was made ------------------------------------------------------------


def test_sizes_are_the_manifests(card: Card) -> None:
    """7 million weights at 4 and 16 bits: 3.5 and 14.0 MB."""
    text = card({"en": SAME})
    assert "4.00 bits per weight" in text
    assert "3.5 MB, 25% of the unquantized model's 14.0 MB" in text
    assert "of the unquantized model's" not in card({"en": SAME}, results=None)


@pytest.mark.parametrize(
    ("language", "source", "sentence"),
    [
        (None, "", "No calibration text was used."),
        (
            "nb",
            "bundled",
            "Norwegian Bokmål (nb), from the text that ships with Babelbits, drawn with seed 3.",
        ),
        (
            "nb+sw",
            "hub:owner/text@abc",
            "Norwegian Bokmål (nb) and Swahili (sw), from hub:owner/text@abc, drawn with seed 3.",
        ),
    ],
)
def test_the_calibration_text_is_the_one_it_saw(
    card: Card, language: str | None, source: str, sentence: str
) -> None:
    seen = (
        None
        if language is None
        else CalibrationRecord(
            language=language, source=source, text_hash="x", n_samples=8, tokens_per_sample=512,
            n_tokens=4096, seed=3,
        )
    )  # fmt: skip
    made = replace(synthetic.manifest("w4", 4.0), calibration=seen)
    said = part(card({"en": SAME}, manifest=made), "How it was made")
    assert escape_markdown(sentence) in said
    assert ("8 samples of 512 tokens in Norwegian" in said) is (language is not None)
    assert said.count("alibration text") == 1


def test_the_command_that_repeats_it(card: Card) -> None:
    said = part(card({"en": SAME}, version="1.2.3"), "Measuring it again")
    assert "pip install 'babelbits[run]==1.2.3'\nbabelbits run babelbits/study.toml\n" in said
    made = replace(synthetic.manifest("w4", 4.0), format="gguf")
    text = card({"en": SAME}, manifest=made, model_file="m.gguf")
    assert "babelbits[gguf]==" in text
    assert "llama-cli -m m.gguf" in text
    assert "transformers" not in part(text, "Measuring it again")


@pytest.mark.parametrize(
    ("licence", "sentence"),
    [
        (Licence(), "name no licence"),
        (Licence(id="apache-2.0"), "card says `apache-2.0`."),
        (
            Licence(id="other", name="llama3.1", link="https://example.org/l"),
            "card says llama3.1 (https://example.org/l).",
        ),
    ],
)
def test_the_licence_is_the_base_models(card: Card, licence: Licence, sentence: str) -> None:
    text = card({"en": SAME}, licence=licence)
    assert sentence in part(text, "Licence").replace("\\", "")
    assert hub.ModelCard(text).data.license == licence.id


# --- metadata ----------------------------------------------------------------------------------


def test_the_hubs_library_reads_the_metadata(card: Card) -> None:
    made = replace(
        synthetic.manifest("w4", 4.0), base_model="owner/model@0123abc", format="compressed-tensors"
    )
    data = hub.ModelCard(card({"en": SAME, "sw": WORSE}, manifest=made)).data
    assert data.base_model == "owner/model"
    assert data.base_model_relation == "quantized"
    assert data.language == ["en", "sw"]
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "text-generation"
    assert "compressed-tensors" in data.tags


def test_a_model_of_a_folder_is_no_base_model_of_the_hub(card: Card) -> None:
    data = hub.ModelCard(card({"en": SAME})).data
    assert data.base_model is None
    assert not hasattr(data, "base_model_relation")


def test_hostile_labels_stay_text(card: Card) -> None:
    label = 'w4<script>"\n---\nlicense: mit\n# x'
    text = card({"en": SAME}, label=label)
    assert "<script>" not in text
    assert hub.ModelCard(text).data.license is None
    assert [line for line in text.splitlines() if line.startswith("# ")] == [
        line for line in text.splitlines() if line.startswith("# bundled")
    ]
