"""The records that pass between the rooms: requests and replies, items, manifests, effects.

Frozen dataclasses without behaviour beyond hashing and display in notebooks. Nothing here reads a
file or loads a model.

Sign: ``delta = variant - baseline`` of the *oriented* score (higher is better): harm is negative.
Units: scores are fractions in [0, 1] unless a metric says otherwise; log-probabilities are in nats;
text metrics are in bits.
Undefined is ``None`` with a reason, never 0 and never NaN.
"""

from babelbits.records.effects import (
    Arms,
    Effect,
    EffectCounts,
    EffectDecision,
    EffectInference,
    Interval,
    Level,
    RelativeEffect,
    Verdict,
)
from babelbits.records.hashing import JSON, canonical_json, digest
from babelbits.records.manifests import (
    CalibrationRecord,
    ConversionRecord,
    ExpertsRecord,
    Manifest,
    TensorRecord,
)
from babelbits.records.replies import (
    Failure,
    FailureKind,
    Generation,
    Reply,
    Score,
    TextScore,
    Thinking,
)
from babelbits.records.requests import GenerateRequest, Request, ScoreRequest, TextRequest
from babelbits.records.rows import Answer, CellMeta, ItemRow, StopPlan
from babelbits.records.tasks import Item, Metric, MetricKind, Outcome, TaskInfo

__all__ = [
    "JSON",
    "Answer",
    "Arms",
    "CalibrationRecord",
    "CellMeta",
    "ConversionRecord",
    "Effect",
    "EffectCounts",
    "EffectDecision",
    "EffectInference",
    "ExpertsRecord",
    "Failure",
    "FailureKind",
    "GenerateRequest",
    "Generation",
    "Interval",
    "Item",
    "ItemRow",
    "Level",
    "Manifest",
    "Metric",
    "MetricKind",
    "Outcome",
    "RelativeEffect",
    "Reply",
    "Request",
    "Score",
    "ScoreRequest",
    "StopPlan",
    "TaskInfo",
    "TensorRecord",
    "TextRequest",
    "TextScore",
    "Thinking",
    "Verdict",
    "canonical_json",
    "digest",
]
