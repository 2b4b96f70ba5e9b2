"""The techniques, a file per lever, and the table of them.

A new technique is its class, a line here, and the hand-computed cases of its test.
"""

from potentiate.techniques.adaptive import AdaptiveBatch
from potentiate.techniques.base import Evidence, Stage, Technique, arrange
from potentiate.techniques.batch import BatchSize, GradientAccumulation
from potentiate.techniques.contrast import NoAngles, TemperatureSchedule
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
from potentiate.techniques.structure import (
    CandidatePool,
    CompactState,
    InPlaceUpdates,
    MovingCoactivation,
    RarerCoactivation,
    RarerRewiring,
    SparseEdges,
    VectorizedPruning,
)
from potentiate.techniques.supervision import AveragedWeights, LabelSmoothing
from potentiate.techniques.threads import Threads

TECHNIQUES: dict[str, type[Technique]] = {
    "activation-checkpointing": ActivationCheckpointing,
    "adaptive-batch": AdaptiveBatch,
    "batch-size": BatchSize,
    "batched-presentation": BatchedPresentation,
    "cached-baseline-current": CachedBaselineCurrent,
    "candidate-pool": CandidatePool,
    "channels-last": ChannelsLast,
    "compact-state": CompactState,
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
    "in-place-updates": InPlaceUpdates,
    "label-smoothing": LabelSmoothing,
    "lr-table": RateTable,
    "mixed-precision": MixedPrecision,
    "moving-coactivation": MovingCoactivation,
    "no-angles": NoAngles,
    "one-cycle": OneCycle,
    "optimizer": Optimizer,
    "rarer-coactivation": RarerCoactivation,
    "rarer-consolidation": RarerConsolidation,
    "rarer-evaluation": RarerEvaluation,
    "rarer-homeostasis": RarerHomeostasis,
    "rarer-learning-rate-adaptation": RarerRateAdaptation,
    "rarer-rewiring": RarerRewiring,
    "short-schedule": ShortSchedule,
    "shorter-history": ShorterHistory,
    "smaller-importance-increment": SmallerImportance,
    "sparse-edges": SparseEdges,
    "steeper-curriculum": SteeperCurriculum,
    "step-decay": StepDecay,
    "temperature": TemperatureSchedule,
    "threads": Threads,
    "vectorized-pruning": VectorizedPruning,
}

__all__ = [
    "TECHNIQUES",
    "ActivationCheckpointing",
    "AdaptiveBatch",
    "AveragedWeights",
    "BatchSize",
    "BatchedPresentation",
    "CachedBaselineCurrent",
    "CandidatePool",
    "ChannelsLast",
    "CompactState",
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
    "InPlaceUpdates",
    "LabelSmoothing",
    "MixedPrecision",
    "MovingCoactivation",
    "NoAngles",
    "OneCycle",
    "Optimizer",
    "RarerCoactivation",
    "RarerConsolidation",
    "RarerEvaluation",
    "RarerHomeostasis",
    "RarerRateAdaptation",
    "RarerRewiring",
    "RateTable",
    "ShortSchedule",
    "ShorterHistory",
    "SmallerImportance",
    "SparseEdges",
    "Stage",
    "SteeperCurriculum",
    "StepDecay",
    "Technique",
    "TemperatureSchedule",
    "Threads",
    "VectorizedPruning",
    "arrange",
]
