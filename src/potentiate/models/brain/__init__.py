"""The spiking brain: its anatomy and plasticity, how it learns, and its workloads."""

from potentiate.models.brain.brain import Brain, Response
from potentiate.models.brain.recipe import Anatomy, Plasticity
from potentiate.models.brain.saved import load_brain, save_brain
from potentiate.models.brain.step import PlasticStep
from potentiate.models.brain.workloads import Recipe, brain_workload

__all__ = [
    "Anatomy",
    "Brain",
    "PlasticStep",
    "Plasticity",
    "Recipe",
    "Response",
    "brain_workload",
    "load_brain",
    "save_brain",
]
