"""From study.toml to `Study`, from `Study` to `Plan`, from `Plan` to results."""

from babelbits.study.reading import load
from babelbits.study.spec import Study

__all__ = ["Study", "load"]
