"""From study.toml to `Study`, from `Study` to `Plan`, from `Plan` to results."""

from babelbits.study.config.reading import load
from babelbits.study.config.spec import Study

__all__ = ["Study", "load"]
