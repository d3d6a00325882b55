"""Damages a sentence by rule, so that a reader of the language would call the result wrong.

One module a language under `languages`; each is a table for the same four rules.
"""

from babelmini.damage.languages import LANGUAGES
from babelmini.damage.rules import RULES, LanguageRules, Rule, pick

__all__ = ["LANGUAGES", "RULES", "LanguageRules", "Rule", "pick"]
