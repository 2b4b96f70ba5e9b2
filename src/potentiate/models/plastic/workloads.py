"""Plastic networks as workloads: what they learn, with the settings that suit it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from potentiate.data import Images, load
from potentiate.models.plastic.initial import Initial
from potentiate.settings import changed
from potentiate.workload import Run, Target, Workload

if TYPE_CHECKING:
    from potentiate.models.plastic.net import PlasticNet
    from potentiate.plasticity.structural import StructuralRule

Natural = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
CHUNK = 250
"""Samples judged at a time; the activity of all iterations is kept meanwhile."""
Rules = Literal["static", "random", "set", "rigl", "deep-r", "srigl", "chts", "coactivation"]
Engines = Literal["auto", "rows", "dense", "mkl", "triton", "reference"]


@dataclass(frozen=True)
class Recipe:
    """The network, its rule, and how long it learns.

    Attributes:
        neurons: Recurrent neurons.
        iterations: Times that activity passes the recurrent edges.
        sparsity: Share of the possible recurrent edges that there are not.
        inhibitory: Share of inhibitory neurons.
        initial: The topology to start from, see `initial_topology`.
        rule: By which edges go and come, one of `STRUCTURAL`.
        plasticity_interval: Steps between two updates of the topology.
        stretch: Factor on the interval at each update.
        protection: Age in steps below which the rule "coactivation" drops no edge.
        until: Share of the training after which the topology stays.
        homeostasis: How strongly incoming weights follow what a neuron's firing rate lacks.
        target_rate: The rate that homeostasis drives every neuron towards.
        epochs: Passes over the training data.
        batch_size: Samples per step.
        lr: Highest learning rate of AdamW, which rises to it and falls again over the run.
        weight_decay: Of AdamW.
        label_smoothing: Share of the target that goes to all classes alike.
        evaluate_every: Epochs between evaluations.
        engine: How sparse products are computed; "auto" times them once.
        vectorized: The rule "coactivation" drops edges in one go; False: one by one.
        history: It keeps so many snapshots of all pairs' coactivation; 0: a moving average of candidates.
        compact: Its ages and credit take 4 bytes an edge; False: 12.
        pool: It scores a sample of the pairs that may grow; False: all of them.
        coactivation_every: Steps between two looks at coactivation.
        in_place: Homeostasis writes into the weights; False: makes new ones.
    """

    neurons: Natural = 400
    iterations: Natural = 5
    sparsity: Share = 0.9
    inhibitory: Annotated[float, Field(ge=0, lt=1)] = 0.2
    initial: Initial = "random"
    rule: Rules = "coactivation"
    plasticity_interval: Natural = 100
    stretch: Annotated[float, Field(ge=1)] = 1.0
    protection: Annotated[int, Field(ge=0)] = 150
    until: Share = 0.75
    homeostasis: Annotated[float, Field(ge=0)] = 0.003
    target_rate: Annotated[float, Field(gt=0)] = 0.5
    epochs: Annotated[float, Field(gt=0)] = 5.0
    batch_size: Natural = 128
    lr: Annotated[float, Field(gt=0)] = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    evaluate_every: Annotated[float, Field(gt=0)] = 1.0
    engine: Engines = "auto"
    vectorized: bool = True
    history: Annotated[int, Field(ge=0)] = 0
    compact: bool = True
    pool: bool = True
    coactivation_every: Natural = 20
    in_place: bool = True


REFERENCE: dict[str, Any] = {
    "engine": "reference",
    "vectorized": False,
    "history": 1000,
    "compact": False,
    "pool": False,
    "coactivation_every": 1,
    "plasticity_interval": 50,
    "in_place": False,
}
"""The spelling of the original: matrices with zeros, snapshots of all pairs, edges dropped one by one."""


def rule_of(settings: Recipe) -> StructuralRule:
    """Return the structural rule that a recipe asks for."""
    from potentiate.plasticity.structural import STRUCTURAL, Coactivation
    from potentiate.topology import Grid, sides

    if settings.rule != "coactivation":
        return STRUCTURAL[settings.rule]()
    metric = Grid(*sides(settings.neurons)) if settings.initial == "grid" else None
    return Coactivation(
        metric=metric,
        protection=settings.protection,
        vectorized=settings.vectorized,
        history=settings.history,
        compact=settings.compact,
        pool=settings.pool,
        coactivation_every=settings.coactivation_every,
    )


def plastic_workload(
    name: str,
    *,
    target: float,
    margin: float,
    imports: tuple[str, ...] = (),
    **recipe: Any,
) -> Workload:
    """Return the workload "plastic/`name`" of classifying the images `name`.

    Args:
        name: Of the data.
        target: Accuracy that counts as learned.
        margin: Loss of accuracy that counts as equal.
        imports: Modules that loading needs.
        **recipe: Fields of `Recipe`.
    """
    return Workload(
        name=f"plastic/{name}",
        make=partial(_make, name),
        recipe=changed(Recipe(), recipe, where=f"plastic/{name}"),
        target=Target("accuracy", target),
        margin=margin,
        provides=frozenset({"gradient", "structure"}),
        source=f"plastic/{name}",
        imports=("potentiate.models.plastic.compiled", *imports),
        presets={
            "400": {"neurons": 400},
            "1000": {"neurons": 1000},
            "reference": REFERENCE,
        },
    )


def _make(name: str, settings: Recipe, seed: int) -> Run:
    import torch
    import torch.nn.functional as F

    from potentiate.data.batches import ResidentBatches
    from potentiate.models.plastic.step import Rewiring, StructuralStep
    from potentiate.models.supervised import Judge, accuracy
    from potentiate.schedules import OneCycle

    images = load(name)
    model = _net(images, settings, seed)
    train, validation, test = (
        (part.inputs, part.labels) for part in (images.train, images.validation, images.test)
    )
    loss = partial(F.cross_entropy, label_smoothing=settings.label_smoothing)
    judge = partial(Judge, loss=F.cross_entropy, metric=accuracy, name="accuracy", chunk=CHUNK)
    return Run(
        model=model,
        batches=ResidentBatches(train, settings.batch_size, seed),
        step=StructuralStep(
            loss,
            torch.optim.AdamW,
            {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": True},
            OneCycle(),
            rewiring=Rewiring(
                rule_of(settings),
                settings.plasticity_interval,
                settings.stretch,
                settings.until,
                homeostasis=settings.homeostasis,
                target_rate=settings.target_rate,
                in_place=settings.in_place,
            ),
            seed=seed,
        ),
        validate=judge(validation),
        test=judge(test),
        epochs=settings.epochs,
        evaluate_every=settings.evaluate_every,
        sizes={"train": len(train[1]), "validation": len(validation[1]), "test": len(test[1])},
    )


def _net(images: Images, settings: Recipe, seed: int) -> PlasticNet:
    """Bytes go in as they are: the network standardizes a batch, not the data set."""
    from potentiate.models.plastic.net import PlasticNet

    scale = images.scale / 255.0
    return PlasticNet(
        settings.neurons,
        images.train.inputs[0].numel(),
        images.classes,
        settings.iterations,
        settings.sparsity,
        inhibitory=settings.inhibitory,
        initial=settings.initial,
        mean=images.mean * scale,
        std=images.std * scale,
        engine=settings.engine,
        seed=seed,
    )


DIGITS = plastic_workload(
    "digits",
    target=0.95,
    margin=0.01,
    imports=("sklearn.datasets",),
    neurons=200,
    epochs=30,
    batch_size=32,
    plasticity_interval=50,
    protection=75,
)
MNIST = plastic_workload("mnist", target=0.977, margin=0.003)
FASHION_MNIST = plastic_workload(
    "fashion-mnist", target=0.88, margin=0.005, epochs=12, weight_decay=1e-2
)
