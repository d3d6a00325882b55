"""Silence around chatty libraries, for the time of a `with` block and no longer.

They draw a progress bar a layer and log hundreds of lines to standard output, which belongs to the
command that called us. Warnings that change a result are raised as errors by those who call them.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars, no logs below errors, no warnings; all is put back at the end."""
    with ExitStack() as stack:
        stack.enter_context(_no_progress_bars())
        stack.enter_context(_errors_only())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


@contextmanager
def replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    """An attribute replaced for a while; one that only the class has is uncovered again."""
    missing = object()
    before = vars(owner).get(name, missing)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is missing:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


@contextmanager
def no_loguru(*names: str) -> Iterator[None]:
    """Nothing from the loguru loggers of the named packages, which must be imported already."""
    from loguru import logger

    for name in names:
        logger.disable(name)
    try:
        yield
    finally:
        for name in names:
            logger.enable(name)


@contextmanager
def no_cast_warnings() -> Iterator[None]:
    """Nothing of bitsandbytes saying at every product that inputs are cast to float16.

    It says so thousands of times on a CPU. All else that it logs is let through.
    """

    def is_another(record: logging.LogRecord) -> bool:
        return "inputs will be cast" not in str(record.msg)

    logger = logging.getLogger("bitsandbytes.autograd._functions")
    logger.addFilter(is_another)
    try:
        yield
    finally:
        logger.removeFilter(is_another)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from tqdm.std import tqdm  # type: ignore[import-untyped]  # ships no types

    original = tqdm.__init__

    def without_bar(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **{**options, "disable": True})

    with replaced(tqdm, "__init__", without_bar):
        yield


@contextmanager
def _errors_only() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
