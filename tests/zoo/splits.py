r"""How the published byte-level tokenizers split a text before they merge bytes.

Each is the `pre_tokenizer` of the family's `tokenizer.json`; comments name the model. Where
marks (\p{M}) may stand within a word, Hindi, Malayalam and Thai are split otherwise.
"""

from typing import Any

JSON = dict[str, Any]

_CLITICS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_HEAD = r"[^\r\n\p{L}\p{N}]?"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"

# Llama 3, SmolLM3, LFM2, GLM 4: digits in threes.
LLAMA3 = rf"{_CLITICS}|{_HEAD}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]{_REST}"
# Qwen 2 and 3, StableLM 2: digits one by one.
QWEN2 = rf"{_CLITICS}|{_HEAD}\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]{_REST}"
# Qwen 3.5: marks belong to words.
QWEN35 = rf"{_CLITICS}|{_HEAD}[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]{_REST}"
_CASED_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# Mistral NeMo, Mistral Small 3, Ministral 3, Apertus: words by their case.
TEKKEN = rf"{_HEAD}{_UPPER}*{_LOWER}+|{_HEAD}{_UPPER}+{_LOWER}*|\p{{N}}" + _CASED_REST
# gpt-oss, Phi-4-mini, Llama 4.
O200K = (
    rf"{_HEAD}{_UPPER}*{_LOWER}+{_CLITICS}?|{_HEAD}{_UPPER}+{_LOWER}*{_CLITICS}?|\p{{N}}{{1,3}}"
    + _CASED_REST
)
# DeepSeek V3 and R1, Hunyuan: three patterns one after the other.
DEEPSEEK3 = (
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    (
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"""
        r""" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
    ),
)
# Seed-OSS.
SEED = (
    rf"{_CLITICS}|{_HEAD}\p{{L}}+|\p{{N}}{{1}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
# BLOOM.
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"


def split(*patterns: str, removed: bool = False) -> JSON:
    """Patterns one after the other, then bytes.

    `removed` is how files converted from tiktoken say the same: what does not match is removed, and
    everything matches.
    """
    how = {"behavior": "Removed" if removed else "Isolated", "invert": removed}
    steps = [{"type": "Split", "pattern": {"Regex": pattern}, **how} for pattern in patterns]
    return {"type": "Sequence", "pretokenizers": [*steps, byte_level(by_words=False)]}


def byte_level(*, by_words: bool = True) -> JSON:
    """Bytes as letters, after GPT-2's own split into words where that is asked."""
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": by_words,
    }


def digits() -> JSON:
    """Command R, Granite 3: digits one by one, then GPT-2's split."""
    first = {"type": "Digits", "individual_digits": True}
    return {"type": "Sequence", "pretokenizers": [first, byte_level()]}


def falcon() -> JSON:
    """Falcon: punctuation, GPT-2's split, digits in threes."""
    return {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Punctuation", "behavior": "Contiguous"},
            byte_level(),
            {
                "type": "Split",
                "pattern": {"Regex": "[0-9][0-9][0-9]"},
                "behavior": "Isolated",
                "invert": False,
            },
        ],
    }
