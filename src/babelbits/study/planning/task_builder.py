"""The tasks of a study as they run: token limits scaled to the model's tokenizer, items in order.

Every process of a run makes them here, so that all know the same items.
"""

import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.errors import MissingExtraError, ModelError, TaskError, UnknownNameError
from babelbits.llamacpp.vocabulary import open_vocabulary
from babelbits.recipes.base_loading import find_context_length
from babelbits.study.config.spec import Study
from babelbits.study.planning.base_model import BaseModel
from babelbits.study.planning.early import order_items
from babelbits.tasks import catalogue
from babelbits.tasks.base import Task, TaskOptions
from babelbits.tasks.token_limits import ScaledTask, measure_fertility
from babelbits.tasks.translation.suite import TranslationSuite

if TYPE_CHECKING:
    from babelbits.study.planning.plan_types import Build

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class TaskBuilder:
    """Builds a study's tasks for its model.

    Parameters
    ----------
    study : Study
        Its seed orders items that may stop early.
    base : BaseModel
        Its tokenizer measures the languages; loaded when a task needs it.
    build : callable
        Makes tasks as they are; None for one that is not to be built now.
    """

    study: Study
    base: BaseModel
    build: "Build"

    def task(self, suite: str, language: str, options: TaskOptions) -> Task | None:
        """The task as it runs, or None where it is not to be built now.

        Raises
        ------
        MissingExtraError
            If limits are to be scaled and the tokenizer's library is not there.
        """
        task = self.build(suite, language, options)
        if task is None:
            return None
        return order_items(self._limited(task, suite, language, options), self.study)

    def _limited(self, task: Task, suite: str, language: str, options: TaskOptions) -> Task:
        generates = task.info.output_type == "generation"
        if language == ENGLISH or not generates or not is_scaled(suite, options):
            return task
        if self.study.model.is_elsewhere:
            return task  # nobody here can count its tokens: limits stay as they are
        count = make_token_counter(self.base.folder)
        known = catalogue.find_info(suite, include_path=options.include_path, data=options.data)
        english = None
        if not isinstance(known, TranslationSuite) and ENGLISH in known.languages:
            english = self._english(suite, options)
        found = measure_fertility(task, english, count)
        return ScaledTask(task, found, count=count, context=find_context_length(self.base.config))

    def _english(self, suite: str, options: TaskOptions) -> Task | None:
        """The English counterpart; None where the data lack it."""
        try:
            return self.build(suite, ENGLISH, options)
        except (TaskError, UnknownNameError):
            return None


def is_scaled(suite: str, options: TaskOptions) -> bool:
    """Whether the study, or the suite where the study says nothing, scales token limits."""
    if options.limits is not None:
        return options.limits == "scaled"
    known = catalogue.list_suites().get(suite)
    return known is not None and known.limits == "scaled"


@cache
def make_token_counter(folder: Path) -> Callable[[str], int]:
    """A function from text to its number of tokens, special ones apart.

    Raises
    ------
    MissingExtraError
        If the tokenizer's library is not installed.
    ModelError
        If the model's tokenizer cannot be read.
    """
    if folder.is_file():
        return _gguf_counter(folder)
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError(
            "token limits scaled to the tokenizer need tokenizers",
            hint="pip install 'babelbits[run]', or token_limits = \"fixed\" under [[tasks]]",
        ) from error
    file = folder / "tokenizer.json"
    try:
        if not file.is_file():
            return _slow_counter(folder)
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:
        raise ModelError(f"the tokenizer cannot be read: {error}", where=str(folder)) from error
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _gguf_counter(file: Path) -> Callable[[str], int]:
    """For a GGUF file, which has its own tokenizer."""
    kept = ExitStack()
    vocabulary = kept.enter_context(open_vocabulary(file))

    def count(text: str) -> int:
        return len(vocabulary.encode(text, add_special_tokens=False))

    # Closed with the function, or at the end of the process while the library still stands.
    weakref.finalize(count, kept.close)
    return count


def _slow_counter(folder: Path) -> Callable[[str], int]:
    """For models without tokenizer.json; loads transformers."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))
