"""Writes BabelMini's `pairs` from its passages: `cd training && python -m babelmini.make_pairs`.

Every sentence gives an item, every first sentence a second one with another rule. The rule goes
round by the item's number, so that each has its share; where it finds nothing to damage in a
language, the rarest of the others steps in. No model has a say.
"""

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babelbits.bundled import find_mini_folder
from babelbits.errors import TaskError
from babelmini.damage import LANGUAGES, RULES, LanguageRules, Rule, pick

BABELMINI = find_mini_folder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A sentence and its damaged version; the id says passage, sentence and which of its items."""

    source_id: str
    intact: str
    damaged: str
    rule: Rule


def make_pairs(language: str, *, folder: Path = BABELMINI) -> list[Pair]:
    """All pairs of a language, in the order of its passages.

    Raises
    ------
    TaskError
        If no rule finds anything to damage in a sentence.
    """
    rules = LANGUAGES[language]
    sentences = list(_sentences(folder / "passages" / f"{language}.jsonl"))
    order = _scarcest_first(rules, [text for _, text, _ in sentences])
    pairs: list[Pair] = []
    for sentence_id, text, items in sentences:
        used: list[Rule] = []
        for letter in items:
            wanted = RULES[len(pairs) % len(RULES)]
            choice = [rule for rule in (wanted, *order) if rule not in used]
            pairs.append(_damage(text, rules, source_id=f"{sentence_id}-{letter}", choice=choice))
            used.append(pairs[-1].rule)
    return pairs


def _scarcest_first(rules: LanguageRules, sentences: list[str]) -> list[Rule]:
    """The rules by the number of sentences they can damage: the rarest steps in first."""

    def reach(rule: Rule) -> int:
        return sum(bool(rules.candidates(text, rule=rule)) for text in sentences)

    return sorted(RULES, key=reach)


def _sentences(file: Path) -> Iterator[tuple[str, str, str]]:
    """Id, text and the letters of the items of every sentence."""
    for line in file.read_text("utf-8").splitlines():
        passage = json.loads(line)
        for number, sentence in enumerate(passage["sentences"], start=1):
            text = unicodedata.normalize("NFC", sentence)
            yield f"{passage['source_id']}-{number}", text, "ab" if number == 1 else "a"


def _damage(sentence: str, rules: LanguageRules, *, source_id: str, choice: list[Rule]) -> Pair:
    for rule in choice:
        candidates = rules.candidates(sentence, rule=rule)
        if candidates:
            damaged = pick(candidates, source_id=source_id)
            return Pair(source_id=source_id, intact=sentence, damaged=damaged, rule=rule)
    raise TaskError(f"no rule finds anything to damage in {sentence!r}", where=source_id)


def to_jsonl(pairs: list[Pair]) -> str:
    """One JSON object a line."""
    rows = (
        {"source_id": p.source_id, "intact": p.intact, "damaged": p.damaged, "rule": p.rule}
        for p in pairs
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    """Write the files of all languages."""
    folder = BABELMINI / "pairs"
    folder.mkdir(exist_ok=True)
    for language in LANGUAGES:
        text = to_jsonl(make_pairs(language))
        (folder / f"{language}.jsonl").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
