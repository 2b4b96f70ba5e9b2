"""Write the tables of README and docs from records and code, or check that they are up to date.

python scripts/tables.py          writes
python scripts/tables.py --check  exits with 1 and names what is stale
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from potentiate.models import WORKLOADS
from potentiate.models.reference import schedule
from potentiate.study.emit import machine_line
from potentiate.study.numbers import change_with_span, duration, quality, times, with_span
from potentiate.study.plots.forest import forest
from potentiate.study.reading import read_findings
from potentiate.study.sections.blocks import Table
from potentiate.study.sections.claims import claims
from potentiate.study.verdict import speedup
from potentiate.techniques import TECHNIQUES
from potentiate.techniques.reference import cards

ROOT = Path(__file__).resolve().parent.parent


def results() -> str:
    """The confirmed configuration of every committed study."""
    rows = [
        "| study | baseline | found | speed-up | quality against the baseline | against training shorter |",
        "|---|---|---|---|---|---|",
    ]
    for folder in sorted(path.parent for path in ROOT.glob("studies/*/evidence.jsonl")):
        found = read_findings(folder)
        plan = found.plan
        link = f"[{plan.workload}](studies/{folder.name}/report.md)"
        best = found.best
        if best is None or best.judgement.time is None:
            rows.append(f"| {link} | | {found.best_claim} | | | |")
            continue
        gain = speedup(best.judgement.time)
        base = [
            r.total
            for r in found.records
            if r.request.phase == "confirm" and r.request.arm == "baseline"
        ]
        typical = statistics.median(base)
        versus = (
            with_span(speedup(best.versus_control))
            if best.versus_control
            else "is training shorter"
            if best.arm == found.control
            else "which loses quality"
        )
        rows.append(
            f"| {link} | {duration(typical)} | {duration(best.seconds)}, {quality(best.quality, plan.metric)} | "
            f"{with_span(gain)} | {change_with_span(best.judgement.quality, plan.metric)} | {versus} |"
        )
    return "\n".join(rows)


def brains() -> str:
    """What each optimization of a brain bought alone, and the bundles in the confirmation."""
    rows = ["| study | technique | speed-up | time per step | quality |", "|---|---|---|---|---|"]
    for name in ("xor", "digits"):
        found = read_findings(ROOT / "studies" / f"brain-{name}")
        metric = found.plan.metric
        confirmed = {row.arm: row for row in found.confirmation}
        for single in found.singles:
            row = confirmed.get(single.arm, single)
            if row.judgement.time is None:
                rows.append(
                    f"| brain/{name} | {_bundle(single.arm)} | {row.judgement.reason} | | |"
                )
                continue
            change = "the same numbers" if row.evidence == "exact" else "not measured"
            if row.judgement.quality is not None and row.evidence != "exact":
                change = change_with_span(row.judgement.quality, metric)
            gain = with_span(speedup(row.judgement.time))
            rows.append(
                f"| brain/{name} | {_bundle(single.arm)} | {gain} | {times(row.step_ratio)} | {change} |"
            )
    return "\n".join(rows)


def plastics() -> str:
    """What the page of the plastic network claims, and what was measured here."""
    rows = ["| what | measured | bar |", "|---|---|---|"]
    for name in ("plastic-accuracy-mnist", "plastic-memory"):
        for path in sorted(ROOT.glob(f"benchmarks/records/{name}-*.json")):
            record = json.loads(path.read_text())
            rows += [
                f"| {line['what']} | {line['measured']} | {line['bar']} |"
                for line in record.get("summary", [])
            ]
    parts = ["\n".join(rows)]
    return "\n\n".join([*parts, _claimed("plastic-mnist")])


ACCURACY = (
    "ours",
    "TS2Vec",
    "TS2Vec, our classifier",
    "untrained",
    "ridge on raw values",
    "SVM on raw values",
    "1-NN on raw values",
)


def timehut_accuracy() -> str:
    """Accuracies of TimeHUT, and of what stands beside it, on every set of the archives."""
    rows = [
        f"| set | training, test | {' | '.join(ACCURACY)} |",
        f"|{'---|' * (len(ACCURACY) + 2)}",
    ]
    told = list[str]()
    for record in _records("timehut-accuracy"):
        told += [
            f"- {line['what']}: {line['measured']} (bar: {line['bar']})"
            for line in record["summary"]
        ]
        rows += [
            f"| {each['set']} | {each['train']}, {each['test']} | "
            f"{' | '.join(_percent(each[key]) for key in ACCURACY)} |"
            for each in record["figures"]["sets"]
        ]
    return "\n".join([*told, "", *rows])


def _percent(figures: list[float] | None) -> str:
    if not figures:
        return "-"
    mean, deviation, count = figures
    spread = f" +/- {100 * deviation:.1f}" if count > 1 else ""
    return f"{100 * mean:.1f}{spread}{f' ({count:.0f} seeds)' if 1 < count < 5 else ''}"


def _records(name: str) -> list[dict[str, Any]]:
    paths = sorted(ROOT.glob(f"benchmarks/records/{name}-*.json"))
    return [json.loads(path.read_text()) for path in paths]


def timehut_claims() -> str:
    """What the page of TimeHUT's optimizer claims, beside the studies of its sets."""
    return "\n\n".join(
        _claimed(f"timehut-{name}") for name in ("chinatown", "ecg5000", "pendigits")
    )


def _claimed(name: str) -> str:
    """The claims of others in a study, each beside what was measured."""
    study = ROOT / "studies" / name
    if not (study / "evidence.jsonl").exists():
        return ""
    parts = list[str]()
    for section in claims(read_findings(study)):
        for table in section.blocks:
            if isinstance(table, Table):
                lines = [" | ".join(table.columns), " | ".join("---" for _ in table.columns)]
                lines += [" | ".join(cell.full for cell in row) for row in table.cells]
                listed = "\n".join(f"| {line} |" for line in lines)
                link = f"[{name}](../../studies/{name}/report.md)"
                parts.append(f"{table.caption}, in the study {link}:\n\n{listed}")
    return "\n\n".join(parts)


def _bundle(arm: str) -> str:
    parts = arm.split(" + ")
    if len(parts) == 1:
        return f"`{arm}`"
    without = "" if "rarer-homeostasis" in parts else " but rarer homeostasis"
    return f"**all together{without}**"


def techniques() -> str:
    """Every technique with its card."""
    rows = [
        "| technique | what it does | evidence owed | helps | hurts | cost |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        f"| `{c.name}` | {c.summary} | {c.evidence} | {c.helps} | {c.hurts} | {c.cost} |"
        for c in cards()
    ]
    assert len(rows) == len(TECHNIQUES) + 2
    return "\n".join(rows)


def workloads() -> str:
    """Every workload with its recipe."""
    rows = ["| workload | recipe | quality counts as equal within |", "|---|---|---|"]
    for name, work in WORKLOADS.items():
        rows.append(f"| `{name}` | {schedule(work)} | {100 * (work.margin or 0):g} points |")
    return "\n".join(rows)


SPARSE = (
    "sparse-products",
    "sparse-scaling",
    "plastic-accuracy-",
    "plastic-memory",
    "structural-rules",
    "large-mlp",
)
"""How the names of the records of sparse work begin, which have a table of their own."""


SERIES = ("timehut-",)
"""Those of time series, which have one too."""


def records(mine: tuple[str, ...] = ()) -> str:
    """The newest benchmark records, one line each: those whose names begin so, or those of no table of their own."""
    rows = ["| benchmark | measured | bar | machine |", "|---|---|---|---|"]
    for path in sorted(ROOT.glob("benchmarks/records/*.json")):
        record = json.loads(path.read_text())
        name = record["benchmark"]
        if not (name.startswith(mine) if mine else not name.startswith(SPARSE + SERIES)):
            continue
        rows += [
            f"| {line['what']} | {line['measured']} | {line['bar']} | {machine_line(record['machine'])} |"
            for line in record.get("summary", [])
        ]
    return "\n".join(rows)


def picture(study: str) -> str:
    """The forest plot of a study as a file of its own, with the colors of its report."""
    source = files("potentiate.study").joinpath("report.html.j2").read_text(encoding="utf-8")
    rules = re.findall(r":root \{[^}]*\}", source)
    style = f"<style>{rules[0]} @media (prefers-color-scheme: dark) {{ {rules[1]} }}</style>"
    drawing = forest(read_findings(ROOT / study))
    return drawing.replace(">", f">{style}", 1) + "\n"


PICTURES = {"docs/pictures/cnn-mnist.svg": "studies/cnn-mnist"}

GENERATED = {
    "README.md": {"results": results},
    "docs/techniques.md": {"techniques": techniques},
    "docs/workloads.md": {"workloads": workloads},
    "docs/benchmarks.md": {
        "records": records,
        "sparse": partial(records, SPARSE),
        "series": partial(records, SERIES),
    },
    "docs/models/brain.md": {"studies": brains},
    "docs/models/plastic.md": {"plastic": plastics},
    "docs/models/timehut.md": {
        "accuracy": timehut_accuracy,
        "claims": timehut_claims,
    },
}


def filled(text: str, name: str, content: str) -> str:
    """Return `text` with the part between the markers of `name` replaced."""
    pattern = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
    replaced, count = re.subn(pattern, lambda m: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"the markers of '{name}' are missing")
    return replaced


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> int:
    """Write or check every generated table."""
    fresh = dict[str, str]()
    for file, parts in GENERATED.items():
        fresh[file] = (ROOT / file).read_text(encoding="utf-8")
        for name, make in parts.items():
            fresh[file] = filled(fresh[file], name, make())
    fresh |= {file: picture(study) for file, study in PICTURES.items()}
    stale = [file for file, text in fresh.items() if _read(ROOT / file) != text]
    if "--check" not in sys.argv:
        for file in stale:
            (ROOT / file).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / file).write_text(fresh[file], encoding="utf-8")
        return 0
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run: python scripts/tables.py\n")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
