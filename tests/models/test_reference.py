"""Workloads found by name and in files."""

from __future__ import annotations

import pytest

from potentiate.errors import Refused
from potentiate.models.reference import find


def test_a_job_imports_what_lies_beside_it(tmp_path):
    (tmp_path / "neighbor_of_job.py").write_text(
        "from torch import nn\nNet = lambda: nn.Linear(2, 2)\n"
    )
    (tmp_path / "job_with_neighbor.py").write_text(
        "import torch\nfrom neighbor_of_job import Net\nfrom potentiate import supervised\n"
        "data = torch.randn(50, 2), torch.randint(0, 2, (50,))\n"
        "workload = supervised('job/neighbor', Net, data)\n"
    )
    assert find(f"{tmp_path / 'job_with_neighbor.py'}:workload").build(0).steps > 0


def test_a_job_that_fails_names_the_line(tmp_path):
    path = tmp_path / "broken_job.py"
    path.write_text("import torch\n1 / 0\n")
    with pytest.raises(Refused, match="line 2 with ZeroDivisionError"):
        find(f"{path}:workload")
