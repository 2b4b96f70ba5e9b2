"""The techniques, a file per lever, and the table of them.

A new technique is its class, a line here, and the hand-computed cases of its test.
"""

from potentiate.techniques.adaptive import AdaptiveBatch
from potentiate.techniques.base import Evidence, Stage, Technique, arrange
from potentiate.techniques.batch import BatchSize, GradientAccumulation
from potentiate.techniques.graph import ActivationCheckpointing, ChannelsLast, Compile
from potentiate.techniques.loading import DataLoading
from potentiate.techniques.optimizer import FusedOptimizer, Optimizer
from potentiate.techniques.precision import MixedPrecision
from potentiate.techniques.schedule import Cosine, OneCycle, RateTable, ShortSchedule, StepDecay
from potentiate.techniques.stopping import EarlyStopping, RarerEvaluation
from potentiate.techniques.supervision import AveragedWeights, LabelSmoothing
from potentiate.techniques.threads import Threads

TECHNIQUES: dict[str, type[Technique]] = {
    "activation-checkpointing": ActivationCheckpointing,
    "adaptive-batch": AdaptiveBatch,
    "batch-size": BatchSize,
    "channels-last": ChannelsLast,
    "compile": Compile,
    "cosine": Cosine,
    "data-loading": DataLoading,
    "early-stopping": EarlyStopping,
    "ema-weights": AveragedWeights,
    "fused-optimizer": FusedOptimizer,
    "gradient-accumulation": GradientAccumulation,
    "label-smoothing": LabelSmoothing,
    "lr-table": RateTable,
    "mixed-precision": MixedPrecision,
    "one-cycle": OneCycle,
    "optimizer": Optimizer,
    "rarer-evaluation": RarerEvaluation,
    "short-schedule": ShortSchedule,
    "step-decay": StepDecay,
    "threads": Threads,
}

__all__ = [
    "TECHNIQUES",
    "ActivationCheckpointing",
    "AdaptiveBatch",
    "AveragedWeights",
    "BatchSize",
    "ChannelsLast",
    "Compile",
    "Cosine",
    "DataLoading",
    "EarlyStopping",
    "Evidence",
    "FusedOptimizer",
    "GradientAccumulation",
    "LabelSmoothing",
    "MixedPrecision",
    "OneCycle",
    "Optimizer",
    "RarerEvaluation",
    "RateTable",
    "ShortSchedule",
    "Stage",
    "StepDecay",
    "Technique",
    "Threads",
    "arrange",
]
