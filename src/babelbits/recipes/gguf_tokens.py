r"""How llama.cpp splits a model's text, and whether it is as the model's own tokenizer does.

A GGUF file says by a *name* how a byte-level tokenizer cuts text before it merges bytes; what the
name stands for is in llama.cpp's `src/llama-vocab.cpp`. Names come from the converter, which knows
published tokenizers, or from the regular expressions of `tokenizer.json`, or by trying. Whatever
the source, both tokenizers read the same text in many languages, and their tokens decide.

Some names are right in one script only: llama.cpp's 'tekken' and 'gpt-4o' lost the combining marks
(`\p{M}`) of the originals, and cut Hindi and Malayalam otherwise while other languages agree.
Another name is taken in place of the first where it differs in fewer languages and in none anew.

Nothing here converts or measures; a text is never changed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from babelbits.errors import BabelbitsError, RecipeError
from babelbits.languages.resolve import resolve
from babelbits.llamacpp.gguf_file import open_gguf, read_metadata
from babelbits.llamacpp.vocabulary import describe_difference, find_first_different, open_vocabulary
from babelbits.recipes.calibration import read_file
from babelbits.records import JSON

_HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?"
_TAIL = r"+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_ANY = r"[^\r\n\p{L}\p{N}]?"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_DIGITS = r"\p{N}{1,3}"
_SPLITS = {
    _HEAD + r"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]" + _TAIL: "llama-bpe",
    _HEAD + r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]" + _TAIL: "qwen2",
    _HEAD + r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]" + _TAIL: "qwen35",
    rf"{_ANY}{_UPPER}*{_LOWER}+|{_ANY}{_UPPER}+{_LOWER}*|\p{{N}}{_REST}": "tekken",
    rf"{_ANY}{_UPPER}*{_LOWER}+{_SHORT}|{_ANY}{_UPPER}+{_LOWER}*{_SHORT}|{_DIGITS}{_REST}": (
        "gpt-4o"
    ),
    r" ?[^(\s|[.,!?…。，、।۔،])]+": "bloom",
}
"""Regular expressions of `tokenizer.json` and llama.cpp's name for each."""

OTHERS = (
    "gpt-2", "llama-bpe", "qwen2", "qwen35", "command-r", "gpt-4o", "granite-embed-multi-97m",
    "tekken", "tiny_aya", "deepseek-v3", "deepseek-llm", "deepseek-coder", "bloom", "falcon",
    "viking", "poro-chat", "chatglm-bpe", "exaone-moe", "bailingmoe", "seed-coder", "youtu",
    "superbpe", "kimi-k2", "jais-2", "minicpm5", "ufakzeka", "afmoe", "laguna", "spark2_5",
    "mpt", "default",
)  # fmt: skip
"""Names to try; of those that stand for the same expression one is enough."""

_KIN = {"gpt-4o": "granite-embed-multi-97m", "llama4": "granite-embed-multi-97m"}
"""Names that stand for the same expression with the marks, to try first."""

_PROBES = {
    "(numbers)": ("In 1999 3 33 333 3333 33333, 1,234.50 and 1 234", "٣٣٣ १२३४ ３４"),
    "(short forms)": ("I've, you're, he's, we'LL, 'tis 'Twas d'abord l'été qu'un", "rock'n'roll"),
    "(capitals)": ("YouTube iPhone HTTPServer camelCase USA USAs", "McDonald eBay"),
    "(spaces)": ("a  b   c\n\n\nd \n e\t\tf   ", " \n \r\n x"),
    "(signs)": ("and/or (see: [1], {2}) -- x->y == != //// ...!? «so» „da“ — 50%", "a_b #c @d"),
}
"""What tells pre-tokenizers apart that agree on plain words."""

Texts = Mapping[str, Sequence[str]]
"""Some text by language."""


def find_pre_tokenizer(base: Path) -> str | None:
    """llama.cpp's name for how a byte-level tokenizer splits text; None where it has none known."""
    try:
        parsed: JSON = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return _name_of(parsed.get("pre_tokenizer") or {})


def is_byte_level(base: Path) -> bool:
    """Whether the tokenizer merges bytes, so that it is one that has such a name."""
    try:
        text = (base / "tokenizer.json").read_text(encoding="utf-8")
        return '"ByteLevel"' in json.dumps(json.loads(text).get("pre_tokenizer"))
    except (OSError, ValueError):
        return False


def _name_of(split: JSON) -> str | None:
    steps = split.get("pretokenizers", [split])
    kinds = [step.get("type") for step in steps]
    by_words = steps[-1].get("use_regex", True)
    if kinds == ["ByteLevel"] and by_words:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and by_words:
        return "command-r"
    if kinds[:2] == ["Punctuation", "ByteLevel"] and _regex(steps[-1]) == "[0-9][0-9][0-9]":
        return "falcon"
    if kinds[-1] != "ByteLevel" or by_words:
        return None
    patterns = [_regex(step) for step in steps[:-1]]
    if len(patterns) == 1:
        return _SPLITS.get(patterns[0])
    if patterns[:2] == [_DIGITS, "[一-龥\u3040-ゟ゠-ヿ]+"]:
        return "deepseek-v3"
    if patterns[0] == "[\r\n]":
        return "deepseek-coder" if patterns[1] == r"\s?\p{L}+" else "deepseek-llm"
    return None


def _regex(step: JSON) -> str:
    return str(step.get("pattern", {}).get("Regex", ""))


# --- comparing -----------------------------------------------------------------------------------


def read_known_texts(languages: Sequence[str] = ()) -> dict[str, tuple[str, ...]]:
    """The package's own text by language: in these languages, or in all that it has."""
    folder = Path(str(resources.files("babelbits") / "bundled" / "babelmini" / "passages"))
    files = {file.stem: file for file in sorted(folder.glob("*.jsonl"))}
    wanted = [code for code in languages if code in files] if languages else files
    return {code: read_file(files[code]) for code in wanted}


def find_token_differences(
    file: Path, *, tokenizer: Any, texts: Texts, name: str | None = None
) -> dict[str, str]:
    """Where llama.cpp reads text otherwise than the model's own tokenizer, by language.

    Parameters
    ----------
    tokenizer : Hugging Face tokenizer
        Of the model that it was made from.
    texts : mapping
        In the languages that matter.
    name : str, optional
        Of a pre-tokenizer to try in place of the file's own.

    Returns
    -------
    Of each language that differs, the first place and what each makes of it.

    Raises
    ------
    ModelError
        If llama.cpp cannot load the file's vocabulary.
    """
    mismatches = {}
    with open_vocabulary(file, pre_tokenizer=name) as vocabulary:
        for language, some in texts.items():
            for text in some:
                theirs = vocabulary.encode(text, add_special_tokens=False)
                ours = list(tokenizer(text, add_special_tokens=False)["input_ids"])
                if theirs != ours:
                    shown = describe_difference(
                        text, expected=ours, found=theirs, tokenizer=tokenizer
                    )
                    mismatches[language] = _kind(ours, theirs, tokenizer) + shown
                    break
    return mismatches


_SPECIAL = "at a special or added token: "
_NEAR = 2


def _kind(ours: Sequence[int], theirs: Sequence[int], tokenizer: Any) -> str:
    """What to say before a difference at a token that no pre-tokenizer can make."""
    place = find_first_different(ours, theirs)
    near = slice(max(0, place - 1), place + _NEAR)  # a space before it is read with it, or apart
    added = set(tokenizer.added_tokens_decoder) | set(tokenizer.all_special_ids)
    return _SPECIAL if {*ours[near], *theirs[near]} & added else ""


def find_better_name(file: Path, *, tokenizer: Any, texts: Texts, guessed: bool) -> str | None:
    """Another pre-tokenizer that reads the text better than the file's own; None if none does.

    It differs in no language that the file's own does not differ in, the package's own languages
    and some odd text included, and puts the same before a text. A tokenizer learnt no merges across
    its own cuts, so a coarser name can be as right as the one that is meant.

    Parameters
    ----------
    texts : mapping
        In the languages that matter.
    guessed : bool
        Whether the file's own name has no reason, so that a better one may differ anew somewhere.
    """
    all_texts: dict[str, Sequence[str]] = {**read_known_texts(), **texts, **_PROBES}
    written = read_metadata(open_gguf(file), "tokenizer.ggml.pre")
    fewest = _all_differences(file, tokenizer, all_texts, name=None)
    best = None
    for name in dict.fromkeys((_KIN.get(str(written), OTHERS[0]), *OTHERS)):
        mismatches = _all_differences(file, tokenizer, all_texts, name=name)
        if (guessed and len(mismatches) < len(fewest)) or mismatches < fewest:
            best, fewest = name, mismatches
        if not fewest:
            break
    return best


def _all_differences(file: Path, tokenizer: Any, texts: Texts, *, name: str | None) -> set[str]:
    """Languages that differ, and '(opening)' where other tokens are put before a text."""
    found = set(find_token_differences(file, tokenizer=tokenizer, texts=texts, name=name))
    with open_vocabulary(file, pre_tokenizer=name) as vocabulary:
        if vocabulary.encode("a") != list(tokenizer("a")["input_ids"]):
            found.add("(opening)")
    return found


def refuse(mismatches: Mapping[str, str], *, where: Path) -> None:
    """Raise if there are languages that llama.cpp reads otherwise.

    Raises
    ------
    RecipeError
        Names the languages, and shows one place.
    """
    if not mismatches:
        return
    shown = next(iter(mismatches.values()))
    if shown.startswith(_SPECIAL):
        reason = (
            "the text holds the name of such a token, which llama.cpp and the tokenizer do not "
            "take for the same; its pre-tokenizer is not the reason"
        )
    else:
        reason = "llama.cpp has no pre-tokenizer like this model's, for these languages"
    raise RecipeError(
        f"llama.cpp reads text in {list_names(mismatches)} differently from the model's own "
        f"tokenizer: {shown}",
        where=str(where),
        hint=f"{reason}. Leave them out of the study, or set allow_token_differences = true in "
        "[model]: then they are measured with the model's own tokens, and the variant's notes say "
        "that llama.cpp by itself splits them otherwise",
    )


def make_note(languages: Sequence[str]) -> str:
    """What to know of a file whose text in these languages llama.cpp splits otherwise."""
    return (
        f"llama.cpp splits text in {list_names(languages)} into other tokens than the model's own "
        "tokenizer; here the model is given its own tokens, and llama.cpp by itself would read "
        "others"
    )


def list_names(languages: Sequence[str] | Mapping[str, str]) -> str:
    """'Hindi, Malayalam and Thai'."""
    names = list(_names(languages))
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _names(languages: Sequence[str] | Mapping[str, str]) -> Iterator[str]:
    for code in languages:
        try:
            yield resolve(code).name
        except BabelbitsError:  # a pair of languages, or a probe
            yield code
