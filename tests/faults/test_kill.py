import os
import subprocess
import sys
from pathlib import Path

import potentiate.checkpoint

WRITER = Path(__file__).with_name("killed_writer.py")


def test_after_kill_9_at_any_moment_a_complete_checkpoint_loads(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(potentiate.checkpoint.__file__).parents[2]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(WRITER), str(tmp_path), "60", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    kills, caught, reached = map(int, done.stdout.split())
    assert kills == 60
    assert caught > 0  # else no kill fell into a save and nothing was tested
    assert reached > 0
