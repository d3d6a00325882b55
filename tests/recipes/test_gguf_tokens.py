"""Names of pre-tokenizers, and what becomes of text that llama.cpp splits otherwise."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.bundled import find_bundled_model
from babelbits.errors import RecipeError
from babelbits.formats.trust import UNTRUSTED
from babelbits.llamacpp.gguf_file import open_gguf, read_metadata
from babelbits.recipes import gguf_checked, gguf_tokens
from babelbits.recipes.base_loading import load_tokenizer
from babelbits.recipes.gguf_checked import convert
from babelbits.recipes.gguf_tokens import (
    find_better_name,
    find_pre_tokenizer,
    find_token_differences,
    read_known_texts,
    refuse,
)
from gguf_making import quick
from zoo import splits

pytestmark = pytest.mark.usefixtures("llama_cpp")

HINDI = {"hi": ("fine", "मेरा नाम")}


@pytest.mark.parametrize(
    ("split", "name"),
    [
        (splits.split(splits.LLAMA3), "llama-bpe"),
        (splits.split(splits.LLAMA3, removed=True), "llama-bpe"),
        (splits.split(splits.QWEN2), "qwen2"),
        (splits.split(splits.QWEN35), "qwen35"),
        (splits.split(splits.TEKKEN), "tekken"),
        (splits.split(splits.O200K), "gpt-4o"),
        (splits.split(*splits.DEEPSEEK3), "deepseek-v3"),
        (splits.split(splits.BLOOM), "bloom"),
        (splits.falcon(), "falcon"),
        (splits.digits(), "command-r"),
        (splits.byte_level(), "gpt-2"),
        (splits.split(r"\w+"), None),
    ],
)
def test_name_is_derived_from_the_expressions_of_published_tokenizers(
    split: dict[str, object], name: str | None, tmp_path: Path
) -> None:
    """`tokenizer.json` of the hub's models and src/llama-vocab.cpp of llama.cpp."""
    (tmp_path / "tokenizer.json").write_text(json.dumps({"pre_tokenizer": split}))
    assert find_pre_tokenizer(tmp_path) == name


def test_pre_tokenizer_of_the_bundled_model_keeps_combining_marks() -> None:
    """src/llama-vocab.cpp of llama.cpp: the one whose words are letters and marks."""
    assert find_pre_tokenizer(find_bundled_model()) == "qwen35"


@pytest.fixture(scope="module")
def as_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model with a wrong name: GPT-2's splits words at combining marks."""
    file = tmp_path_factory.mktemp("wrong") / "model.gguf"
    convert(find_bundled_model(), file, name="gpt-2")
    return file


def test_languages_that_differ_are_named_with_the_place_and_both_readings(as_gpt2: Path) -> None:
    tokenizer = load_tokenizer(find_bundled_model(), trust=UNTRUSTED)
    english = {"en": ("All is well in English.",)}
    assert find_token_differences(as_gpt2, tokenizer=tokenizer, texts=english) == {}
    found = find_token_differences(as_gpt2, tokenizer=tokenizer, texts={**english, **HINDI})
    assert list(found) == ["hi"]
    with pytest.raises(
        RecipeError,
        match=r"in Hindi differently .*: 'मेरा नाम', from token 1 on\n"
        r"  tokenizer: \[.*\n  llama.cpp: \[",
    ) as caught:
        refuse(found, where=as_gpt2)
    assert "allow_token_differences = true" in str(caught.value.hint)
    everywhere = find_token_differences(as_gpt2, tokenizer=tokenizer, texts=read_known_texts())
    assert {"hi", "ml"} <= set(everywhere) < set(read_known_texts())


def test_a_difference_at_a_special_token_is_not_blamed_on_the_pre_tokenizer(as_gpt2: Path) -> None:
    """llama.cpp has it as it is; the tokenizer is made to read it as text."""
    tokenizer = load_tokenizer(find_bundled_model(), trust=UNTRUSTED)
    name = tokenizer.eos_token

    class Blind:
        def __call__(self, text: str, **named: bool) -> dict[str, list[int]]:
            return {"input_ids": tokenizer(text.replace("<", "("), **named)["input_ids"]}

        def __getattr__(self, attribute: str) -> object:
            return getattr(tokenizer, attribute)

    found = find_token_differences(
        as_gpt2, tokenizer=Blind(), texts={"en": (f"An end {name} here",)}
    )
    with pytest.raises(RecipeError, match="at a special or added token") as caught:
        refuse(found, where=as_gpt2)
    assert "pre-tokenizer is not the reason" in str(caught.value.hint)


@pytest.mark.slow
def test_the_name_that_reads_everything_is_found_by_trying(as_gpt2: Path) -> None:
    """The bundled tokenizer's own: every other one of the list splits some text otherwise."""
    tokenizer = load_tokenizer(find_bundled_model(), trust=UNTRUSTED)
    assert find_better_name(as_gpt2, tokenizer=tokenizer, texts=HINDI, guessed=True) == "qwen35"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lost", "kept"),
    [("phi4-mini", "gpt-4o", "granite-embed-multi-97m"), ("mistral-nemo", "tekken", "qwen35")],
)
def test_a_name_that_keeps_marks_is_taken_for_one_that_lost_them(
    name: str, lost: str, kept: str, zoo: Callable[[str], Path], tmp_path: Path
) -> None:
    """src/llama-vocab.cpp of llama.cpp: 'gpt-4o' and 'tekken' cut words at marks."""
    base = zoo(name)
    assert find_pre_tokenizer(base) == lost
    convert(base, tmp_path / "as-derived.gguf")
    tokenizer = load_tokenizer(base, trust=UNTRUSTED)
    found = find_token_differences(
        tmp_path / "as-derived.gguf", tokenizer=tokenizer, texts=read_known_texts()
    )
    assert set(found) == {"hi", "ml"}
    manifest = quick(tmp_path / "variant", "gguf", base=base)
    assert manifest.conversion is not None
    assert manifest.conversion.other_tokens == ()
    written = open_gguf(tmp_path / "variant" / "model.gguf")
    assert read_metadata(written, "tokenizer.ggml.pre") == kept


@pytest.mark.slow
def test_tokens_are_compared_on_what_a_study_asks_at_every_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A language that the package has no text in; also where the conversion is there already."""
    monkeypatch.setattr(gguf_checked, "read_known_texts", lambda _codes: {})
    monkeypatch.setattr(gguf_checked, "find_better_name", lambda *_, **__: None)
    real = gguf_checked.convert
    monkeypatch.setattr(
        gguf_checked, "convert", lambda *given, **named: real(*given, **{**named, "name": "gpt-2"})
    )
    english = {"en": ("All is well in English, and so it should be for a while.",)}
    with pytest.raises(RecipeError, match=r"'मेरा नाम', from token 1 on"):
        quick(tmp_path / "first", "q8_0", texts=HINDI)
    quick(tmp_path / "second", "q8_0", texts=english)
    with pytest.raises(RecipeError, match=r"'मेरा नाम', from token 1 on"):
        quick(tmp_path / "third", "q6_k", texts=HINDI)
    manifest = quick(tmp_path / "fourth", "q6_k", texts=HINDI, allow_token_differences=True)
    assert manifest.conversion is not None
    assert manifest.conversion.other_tokens == ("hi",)
    assert any("text in Hindi into other tokens" in note for note in manifest.notes)
    made = {path.name for path in tmp_path.iterdir() if path.name[0] != "."}
    assert made == {"second", "fourth"}


@pytest.mark.slow
def test_a_refusal_is_found_out_once_and_not_anew_for_every_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Converting and trying thirty names takes minutes; other texts are looked at anew."""
    calls: list[str] = []
    real = gguf_checked.convert
    monkeypatch.setattr(gguf_checked, "read_known_texts", lambda _codes: {})
    monkeypatch.setattr(gguf_checked, "find_better_name", lambda *_, **__: calls.append("search"))
    monkeypatch.setattr(
        gguf_checked, "convert", lambda *given, **named: real(*given, **{**named, "name": "gpt-2"})
    )
    said = []
    for recipe in ("q8_0", "q6_k", "q4_k_m"):
        with pytest.raises(RecipeError) as caught:
            quick(tmp_path / recipe, recipe, texts=HINDI)
        said.append(str(caught.value))
    assert calls == ["search"]
    assert len(set(said)) == 1
    with pytest.raises(RecipeError):
        quick(tmp_path / "other", "q8_0", texts={"hi": ("मेरा घर",)})
    assert calls == ["search", "search"]
    manifest = quick(tmp_path / "allowed", "q8_0", texts=HINDI, allow_token_differences=True)
    assert manifest.conversion is not None


@pytest.mark.slow
def test_pre_tokenizer_that_llama_cpp_has_not_is_refused_with_the_text(tmp_path: Path) -> None:
    base = shutil.copytree(find_bundled_model(), tmp_path / "base")
    parsed = json.loads((base / "tokenizer.json").read_text())
    parsed["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\p{L}{3}|\p{N}{2}|\s+|."
    (base / "tokenizer.json").write_text(json.dumps(parsed))
    assert find_pre_tokenizer(base) is None
    with pytest.raises(RecipeError, match="differently from the model's own tokenizer"):
        quick(tmp_path / "variant", "q8_0", base=base)
    assert not (tmp_path / "variant").exists()


def test_languages_are_named_in_plain_words() -> None:
    assert gguf_tokens.list_names(["hi"]) == "Hindi"
    assert gguf_tokens.list_names(["hi", "ml", "nb-en"]) == "Hindi, Malayalam and nb-en"
