"""The shape of a gate's policy: `[gate]` in a study file, or in a `babelbits.toml` beside it.

Only the shape. Whether the study has what a policy names is asked where it is applied.
"""

from typing import Annotated, Literal

from pydantic import Field

from babelbits.study.config.toml_reading import Text, TomlTable

EVERY = "*"
"""All languages that the study asks a suite in."""

Places = Annotated[
    dict[Text, Annotated[list[Text], Field(min_length=1)]],
    Field(examples=[{"mgsm": ["nb", "sw"], "xcopa": [EVERY]}]),
]
"""Suite to languages, groups of languages, or all: '*'."""


class GateTable(TomlTable):
    """What `babelbits gate` asks of a variant when the command line does not say."""

    required: Places = Field(default={})
    """Suite to languages, groups, or ["*"], which must pass; all that is not advisory if empty."""
    advisory: Places = Field(default={})
    """The same, of what is answered and told, and never fails."""
    margins: dict[Text, Annotated[float, Field(gt=0)]] = Field(
        default={}, examples=[{"fraction": 0.02}]
    )
    """Loss that would not matter, by suite or by the metric's unit, as in [analysis]."""
    claim: Literal["not-worse", "equivalent"] = "not-worse"
    """not-worse: no loss of the margin or more; equivalent: no such gain either."""
    fail_on: Literal["margin", "loss"] = "margin"
    """margin: fail where a loss beyond the margin is shown; loss: on any loss shown."""


class PolicyFile(TomlTable):
    """A `babelbits.toml`."""

    gate: GateTable = GateTable()
