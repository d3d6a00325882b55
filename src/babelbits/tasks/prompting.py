"""In what manner a study asks its tasks: as a chat, with samples. Settings only.

The defaults are a base model's: plain text, greedy. What a study leaves to the checkpoint ('auto')
is settled by `study.config.chat_settings` before any task is built.
"""

from dataclasses import dataclass
from typing import Any, Literal

from babelbits.engines.thinking import Tags

MOST_SAMPLES = 100
"""Draws an item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """How prompts become a conversation."""

    template: Literal["on", "off", "auto"] = "off"
    """Of the checkpoint's tokenizer; 'auto': on where it has one."""
    system_prompt: str | None = None
    fewshot: Literal["turns", "one-turn"] = "turns"
    """Few-shot examples as turns of their own, or all in the user's one turn."""
    enable_thinking: bool | None = None
    """Passed to the template; None: the template's own default."""
    thinking: tuple[Tags, ...] | None = None
    """Tags of thinking to take out; None: the usual ones where the template is on; (): none."""

    @property
    def tags(self) -> tuple[Tags, ...]:
        """The tags to look for, when 'auto' is settled."""
        return self.thinking or ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Several seeded draws an item, whose scores are averaged before any test.

    Defaults: Marchisio et al. 2024 (arXiv 2407.03211): 5 samples, nucleus 0.75, temperature 0.3.
    """

    samples: int = 5
    temperature: float = 0.3
    top_p: float = 0.75


def identify_chat(chat: ChatOptions, *, template: str | None) -> dict[str, Any] | None:
    """What about a chat decides a cell's numbers; None for plain prompts.

    Parameters
    ----------
    chat : ChatOptions
        Settled.
    template : str or None
        Hash of the template's text.
    """
    if chat.template == "off" and not chat.tags:
        return None
    return {
        "template": template if chat.template == "on" else None,
        "system_prompt": chat.system_prompt,
        "fewshot": chat.fewshot,
        "enable_thinking": chat.enable_thinking,
        "thinking": [list(pair) for pair in chat.tags],
    }
