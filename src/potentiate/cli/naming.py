"""A model and a data set, typed apart, as the workload that they name."""

from __future__ import annotations

from potentiate.errors import Refused


def with_dataset(workload: str, dataset: str | None) -> str:
    """Return `workload` on `dataset`: "timehut" and "Coffee" are "timehut/Coffee"; None changes nothing.

    Raises:
        Refused: The workload names another data set, or is a file, which brings its own.
    """
    if dataset is None:
        return workload
    if workload.partition(":")[0].endswith((".py", ".toml")):
        raise Refused(f"{workload} brings its own data; leave --dataset {dataset} out")
    model, _, named = workload.partition("/")
    if named and named != dataset:
        raise Refused(
            f"{workload} names the data set {named} and --dataset {dataset}; leave one of them out"
        )
    return f"{model}/{dataset}"
