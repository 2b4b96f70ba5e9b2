"""The techniques, a file per lever, and the table of them.

A new technique is its class, a line here, and the hand-computed cases of its test.
"""

from potentiate.techniques.adaptive import AdaptiveBatch
from potentiate.techniques.base import Evidence, Stage, Technique, arrange
from potentiate.techniques.batch import BatchSize, GradientAccumulation
from potentiate.techniques.graph import ActivationCheckpointing, ChannelsLast, Compile
from potentiate.techniques.loading import DataLoading
from potentiate.techniques.optimizer import FusedOptimizer, Optimizer
from potentiate.techniques.plasticity import (
    RarerConsolidation,
    RarerHomeostasis,
    RarerRateAdaptation,
    ShorterHistory,
    SmallerImportance,
)
from potentiate.techniques.precision import MixedPrecision
from potentiate.techniques.presentation import (
    BatchedPresentation,
    CachedBaselineCurrent,
    EventDrivenUpdates,
    FasterTeacherFade,
    FewerTimeSteps,
    SteeperCurriculum,
)
from potentiate.techniques.schedule import Cosine, OneCycle, RateTable, ShortSchedule, StepDecay
from potentiate.techniques.stopping import EarlyStopping, RarerEvaluation
from potentiate.techniques.supervision import AveragedWeights, LabelSmoothing
from potentiate.techniques.threads import Threads

TECHNIQUES: dict[str, type[Technique]] = {
    "activation-checkpointing": ActivationCheckpointing,
    "adaptive-batch": AdaptiveBatch,
    "batch-size": BatchSize,
    "batched-presentation": BatchedPresentation,
    "cached-baseline-current": CachedBaselineCurrent,
    "channels-last": ChannelsLast,
    "compile": Compile,
    "cosine": Cosine,
    "data-loading": DataLoading,
    "early-stopping": EarlyStopping,
    "ema-weights": AveragedWeights,
    "event-driven-updates": EventDrivenUpdates,
    "faster-teacher-fade": FasterTeacherFade,
    "fewer-time-steps": FewerTimeSteps,
    "fused-optimizer": FusedOptimizer,
    "gradient-accumulation": GradientAccumulation,
    "label-smoothing": LabelSmoothing,
    "lr-table": RateTable,
    "mixed-precision": MixedPrecision,
    "one-cycle": OneCycle,
    "optimizer": Optimizer,
    "rarer-consolidation": RarerConsolidation,
    "rarer-evaluation": RarerEvaluation,
    "rarer-homeostasis": RarerHomeostasis,
    "rarer-learning-rate-adaptation": RarerRateAdaptation,
    "short-schedule": ShortSchedule,
    "shorter-history": ShorterHistory,
    "smaller-importance-increment": SmallerImportance,
    "steeper-curriculum": SteeperCurriculum,
    "step-decay": StepDecay,
    "threads": Threads,
}

__all__ = [
    "TECHNIQUES",
    "ActivationCheckpointing",
    "AdaptiveBatch",
    "AveragedWeights",
    "BatchSize",
    "BatchedPresentation",
    "CachedBaselineCurrent",
    "ChannelsLast",
    "Compile",
    "Cosine",
    "DataLoading",
    "EarlyStopping",
    "EventDrivenUpdates",
    "Evidence",
    "FasterTeacherFade",
    "FewerTimeSteps",
    "FusedOptimizer",
    "GradientAccumulation",
    "LabelSmoothing",
    "MixedPrecision",
    "OneCycle",
    "Optimizer",
    "RarerConsolidation",
    "RarerEvaluation",
    "RarerHomeostasis",
    "RarerRateAdaptation",
    "RateTable",
    "ShortSchedule",
    "ShorterHistory",
    "SmallerImportance",
    "Stage",
    "SteeperCurriculum",
    "StepDecay",
    "Technique",
    "Threads",
    "arrange",
]
