"""How long a person waits before anything happens: the import, and the help of the command line.

Each figure is the median of nine fresh processes after one that warms the file cache; the bare
interpreter is shown beside them. Run: python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from records import store

REPEATS = 9
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import potentiate": ["-c", "import potentiate"],
    "potentiate --help": ["-m", "potentiate", "--help"],
    "potentiate --version": ["-m", "potentiate", "--version"],
    "potentiate list": ["-m", "potentiate", "list"],
}


def seconds(words: Sequence[str]) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return perf_counter() - start


BARS = {"import potentiate": 0.5, "potentiate --help": 0.7}


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "what": f"`{row['command']}`, median of {row['runs']} fresh processes",
            "measured": f"{1000 * row['seconds']:.0f} ms",
            "bar": f"under {1000 * BARS[row['command']]:.0f} ms",
        }
        for row in rows
        if row["command"] in BARS
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="store nothing")
    asked = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(REPEATS + 1):
        for name, words in COMMANDS.items():
            took = seconds(words)
            if turn:
                times[name].append(took)
    rows = [
        {"command": name, "seconds": round(statistics.median(took), 3), "runs": len(took)}
        for name, took in times.items()
    ]
    for row in rows:
        print(f"{row['command']}: {row['seconds']} s")
    if not asked.dry:
        print(store("startup", {"rows": rows}, summary(rows)))


if __name__ == "__main__":
    main()
