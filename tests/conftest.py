"""What every test may count on: fixed seeds, one thread, and data that is there or skipped."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import settings

from potentiate.data import data_folder, dataset, folder_of

settings.register_profile("reproducible", derandomize=True, deadline=None, database=None)
settings.load_profile("reproducible")
torch.set_num_threads(1)


# A shell that starts this in the background lets it ignore the signal that half of the tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def data() -> Callable[[str], str]:
    """Return a function that hands back a data set's name, or skips the test if it is missing."""

    def present(name: str) -> str:
        if folder_of(dataset(name)) is None and dataset(name).files:
            pytest.skip(f"{name} is not in {data_folder()}; 'potentiate download {name}' gets it")
        return name

    return present


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons = {
        "gpu": None if torch.cuda.is_available() else "there is no CUDA device",
        "browser": None if shutil.which("chromium") else "there is no chromium on the path",
    }
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
