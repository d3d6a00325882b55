"""The unit that judges and people see: a prompt with the baseline's and a variant's answer.

A pair is identified by what it says, never by where it came from, so that the same two answers are
judged once. No file, no model and no screen here.
"""

from dataclasses import dataclass

from babelbits.records import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPair:
    """One prompt, two answers."""

    source_id: str
    """The same for all translations of one prompt: the unit of tests across languages."""
    item_id: str
    """Of the item in the run folder, or the caller's own id."""
    task: str
    language: str
    """Canonical code of the prompt and of the answer that is wanted."""
    variant: str
    """Label; never shown to whoever judges."""
    prompt: str
    baseline_answer: str
    variant_answer: str

    @property
    def pair_id(self) -> str:
        """Hash of prompt, language and both answers: pairs that say the same are one."""
        return digest([self.language, self.prompt, self.baseline_answer, self.variant_answer])

    @property
    def identical(self) -> bool:
        """Whether the answers differ in white space at the ends at most: a tie by construction."""
        return self.baseline_answer.strip() == self.variant_answer.strip()
