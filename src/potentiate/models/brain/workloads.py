"""Brains as workloads: what they learn, with the settings that suit it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from potentiate.data import Images, load
from potentiate.data.batches import ResidentBatches
from potentiate.data.glyphs import glyphs, letters, xor
from potentiate.models.brain.brain import Brain
from potentiate.models.brain.recipe import Anatomy, Plasticity
from potentiate.models.brain.step import PlasticStep
from potentiate.settings import changed
from potentiate.workload import Metrics, Run, Target, Workload


@dataclass(frozen=True)
class Recipe(Plasticity, Anatomy):
    """Anatomy, plasticity, and how long and in which portions a brain trains.

    Attributes:
        epochs: Passes over the training data.
        batch_size: Presentations per step of the engine; they are learned from one after another.
        evaluate_every: Epochs between evaluations.
        labels: Who names the class: the "outputs", or the hidden neurons by classes "assigned" to them
            from responses to training patterns (Diehl & Cook).
        labelled: Training patterns used for that.
    """

    epochs: Annotated[float, Field(gt=0)] = 1.0
    batch_size: Annotated[int, Field(ge=1)] = 100
    evaluate_every: Annotated[float, Field(gt=0)] = 1.0
    labels: Literal["outputs", "assigned"] = "outputs"
    labelled: Annotated[int, Field(ge=1)] = 10_000


@dataclass(frozen=True)
class Judge:
    """Presents a part of the data without teacher or learning and counts the right names."""

    part: tuple[Tensor, Tensor]
    known: tuple[Tensor, Tensor] | None = None

    def __call__(self, model: nn.Module) -> Metrics:
        """Return accuracy, hidden spikes per presentation, and the share of silent presentations."""
        assert isinstance(model, Brain)
        patterns, labels = self.part
        if self.known is not None:
            model.assign(*self.known, seed=1)
        response = model.respond(patterns)
        scores = response.scores if self.known is None else model.assigned_scores(response.spikes)
        spikes = response.spikes.sum(1)
        return {
            "accuracy": float((scores.argmax(1) == labels).double().mean()),
            "spikes": float(spikes.double().mean()),
            "silent": float((spikes == 0).double().mean()),
        }


def _part(split: Any, scale: float) -> tuple[Tensor, Tensor]:
    return split.inputs.flatten(1).float() / scale, split.labels


def brain_workload(
    name: str,
    data: Callable[[], Images],
    *,
    target: float,
    margin: float,
    imports: tuple[str, ...] = (),
    **recipe: Any,
) -> Workload:
    """Return the workload "brain/`name`" of classifying `data`.

    Args:
        name: Of the data.
        data: Loads it; called when a run is built.
        target: Accuracy that counts as learned.
        margin: Loss of accuracy that counts as equal.
        imports: Modules that loading needs.
        **recipe: Fields of `Recipe`.
    """

    def make(settings: Recipe, seed: int) -> Run:
        images = data()
        parts = [
            _part(split, images.scale) for split in (images.train, images.validation, images.test)
        ]
        train, validation, test = parts
        anatomy = Anatomy(**{f.name: getattr(settings, f.name) for f in fields(Anatomy)})
        plasticity = Plasticity(**{f.name: getattr(settings, f.name) for f in fields(Plasticity)})
        known = (
            tuple(t[: settings.labelled] for t in train) if settings.labels == "assigned" else None
        )
        return Run(
            model=Brain(train[0].shape[1], images.classes, anatomy, plasticity, seed=seed),
            batches=ResidentBatches(train, settings.batch_size, seed),
            step=PlasticStep(plasticity, len(train[1])),
            validate=Judge(validation, known),  # pyright: ignore[reportArgumentType]
            test=Judge(test, known),  # pyright: ignore[reportArgumentType]
            epochs=settings.epochs,
            evaluate_every=settings.evaluate_every,
            sizes={"train": len(train[1]), "validation": len(validation[1]), "test": len(test[1])},
        )

    return Workload(
        name=f"brain/{name}",
        make=make,
        recipe=changed(Recipe(), recipe, where=f"brain/{name}"),
        target=Target("accuracy", target),
        margin=margin,
        provides=frozenset({"plasticity", "timesteps"}),
        unit="presentations",
        source=f"brain/{name}",
        imports=("potentiate.models.brain.compiled", *imports),
        presets=_presets(changed(Recipe(), recipe, where=f"brain/{name}")),
    )


def _presets(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The three of the seed, its time steps and epochs as shares of what a workload declares."""

    def preset(share: float, fade: float) -> dict[str, Any]:
        steps = max(2, round(share * recipe.time_steps))
        return {"time_steps": steps, "epochs": share * recipe.epochs, "fade": fade}

    return {
        "speed": preset(2 / 3, 0.8),
        "balanced": preset(1.0, 0.85),
        "accuracy": preset(5 / 3, 0.9),
    }


XOR = brain_workload(
    "xor",
    xor,
    target=1.0,
    margin=0.01,
    epochs=1,
    batch_size=200,
    evaluate_every=0.2,
    hidden=16,
    complement=True,
    time_steps=3,
    rate=1e6,
    tau=5.0,
    threshold=1.0,
    reset=0.0,
    refractory=0,
    inhibition=1.0,
    theta_plus=0.2,
    tau_theta=100.0,
    output_threshold=0.5,
    output_inhibition=0.5,
    total=0.5,
    a_plus=0.1,
    a_minus=0.0,
    tau_trace=3.0,
    fade=0.9,
    teacher=4.0,
    outstar=0.1,
)
LETTERS = brain_workload(
    "letters",
    letters,
    target=0.95,
    margin=0.01,
    epochs=3,
    hidden=60,
    complement=True,
    time_steps=100,
    rate=250.0,
    inhibition=20.0,
)
GLYPHS = brain_workload(
    "glyphs",
    glyphs,
    target=0.85,
    margin=0.01,
    epochs=6,
    hidden=800,
    complement=True,
    time_steps=100,
    rate=250.0,
    inhibition=40.0,
)
DIGITS = brain_workload(
    "digits",
    lambda: load("digits"),
    target=0.9,
    margin=0.01,
    imports=("sklearn.datasets",),
    epochs=10,
    hidden=800,
    complement=True,
    time_steps=100,
    rate=250.0,
    reset=5.0,
    inhibition=30.0,
    theta_plus=0.4,
)
MNIST = brain_workload("mnist", lambda: load("mnist"), target=0.88, margin=0.01, labels="assigned")
