"""The report of a study, from its findings alone: a web page, Markdown, and the configuration.

Nothing here needs torch, so a report can be made on any machine that has the evidence.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from potentiate.errors import Refused, make_way
from potentiate.study import emit, numbers
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.rows import arm_name, baseline_row, oriented, ranked, with_baseline
from potentiate.study.sections import (
    beside,
    blocks,
    cells,
    claims,
    confirmation,
    grounds,
    provenance,
    techniques,
    tradeoffs,
)
from potentiate.study.sections.blocks import Page
from potentiate.study.sections.head import head, title

if TYPE_CHECKING:
    from rich.table import Table

TEMPLATE = "report.html.j2"

STYLES = {"good": "green", "doubt": "yellow", "bad": "red", "slow": "magenta", "info": "cyan"}


def build(findings: Findings, folder: Path = Path()) -> Page:
    """All that the report says, in order.

    Args:
        findings: What the study found so far.
        folder: Where the report will lie, as it is typed in commands.
    """
    return Page(
        title(findings),
        head(findings, folder),
        [
            techniques.singles(findings),
            confirmation.confirmation(findings),
            *beside.beside(findings),
            tradeoffs.front(findings),
            tradeoffs.take_home(findings),
            tradeoffs.search(findings),
            tradeoffs.interactions(findings),
            grounds.headroom(findings),
            grounds.noise(findings),
            grounds.checks(findings),
            grounds.cost(findings),
            provenance.cut(findings),
            provenance.machine(findings),
            provenance.rebuild(findings, folder),
            provenance.replays(findings),
            provenance.glossary(findings),
            *claims.claims(findings),
        ],
    )


def markdown(findings: Findings, folder: Path = Path()) -> str:
    """The report in GitHub's Markdown; pictures are given in words."""
    return blocks.markdown(build(findings, folder))


def html(findings: Findings, folder: Path = Path()) -> str:
    """The report as one self-contained web page, pictures inside."""
    return render(build(findings, folder))


def render(built: Page) -> str:
    """A page as one self-contained web page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["drawing"] = Markup  # drawings escape their own text
    environment.filters["joined"] = joined
    source = files("potentiate.study").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(page=built)


def joined(text: str) -> str:
    """Text in which a number stays on one line with its unit, and an interval with itself."""
    units = r"(?:ms|s|min|h|points|times|[KMG]iB|steps)\b|%"
    text = re.sub(
        rf"(?<=\d) (?={units})|(?<=min) (?=\d)|(?<= h) (?=\d)|(?<=<) (?=\d)", "\u00a0", text
    )
    return re.sub(
        r"\([^()\s]+ (?:to [^()\s]+|or more|or less)\)", lambda m: m[0].replace(" ", "\u00a0"), text
    )


def verdict_table(findings: Findings) -> Table:
    """The verdicts for a terminal, at most 110 columns wide: singles, then the confirmation.

    Where nothing was compared, what is known of the baseline stands in their place.
    """
    from rich.text import Text

    groups = (ranked(findings.singles), with_baseline(findings))
    if not findings.singles and not findings.confirmation:
        return _baseline_table(findings)
    timed = findings.plan.objective == "fastest"
    columns = {
        "technique": 33 if timed else 28,
        "verdict": 24 if timed else 16,
        "speed-up": 21,
        **({} if timed else {"peak memory": 7}),
        "quality change": 25,
    }
    table = _table(findings, columns)
    for fresh, rows in enumerate(groups):
        for row in rows:
            name = arm_name(findings, row) if fresh else row.arm
            badge = cells.badge(row)
            verdict = Text(badge.text, STYLES.get(badge.tone, "dim"))
            texts = map(Text, _measured(findings, row))
            table.add_row(Text(name), verdict, *texts, end_section=row is rows[-1])
    return table


def _measured(findings: Findings, row: ArmResult) -> list[str]:
    timed = findings.plan.objective == "fastest"
    memory = [] if timed else [numbers.times(row.memory_ratio, "-")]
    change = cells.quality_change(row, findings.plan.metric).replace(" points", " pp")
    return [cells.gain(row), *memory, change]


def _baseline_table(findings: Findings) -> Table:
    from rich.text import Text

    base, noise, metric = baseline_row(findings), findings.noise, findings.plan.metric
    sd = noise.quality_sd if noise else None
    rows = [
        (
            "training time, all included",
            numbers.duration(base.seconds if base else None),
            f"median of {base.runs} run{'s' * (base.runs != 1)}" if base else "",
        ),
        (
            metric,
            numbers.quality(oriented(findings, base.quality) if base else None, metric),
            "mean"
            if sd is None
            else f"mean; {numbers.margin(sd, metric)} standard deviation over seeds",
        ),
        (
            "noise floor",
            numbers.share(noise.log_sd if noise else None),
            "standard deviation of the time of identical runs",
        ),
        (
            "smallest speed-up to be seen",
            numbers.faster_by(noise.smallest_effect if noise else None),
            f"of a technique alone, with {findings.plan.timing_blocks} blocks",
        ),
    ]
    table = _table(findings, {"baseline": 33, "value": 20, "meaning": 51})
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _table(findings: Findings, columns: Mapping[str, int]) -> Table:
    """A table without rows, its columns with their largest widths."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=Text(title(findings)), pad_edge=False)
    for name, width in columns.items():
        table.add_column(name, max_width=width, overflow="fold")
    return table


def write(findings: Findings, folder: Path) -> list[Path]:
    """Write report.md, report.html, best.toml and best.json; each appears whole or not at all.

    Raises:
        Refused: The folder cannot be written; files written before stay.
    """
    import tomli_w

    built, config = build(findings, folder), emit.best_config(findings)
    contents = {
        "report.md": blocks.markdown(built),
        "report.html": render(built),
        emit.CONFIG: tomli_w.dumps(config),
        "best.json": json.dumps(config, indent=2) + "\n",
    }
    return written(folder, contents)


def written(folder: Path, contents: Mapping[str, str]) -> list[Path]:
    """Write files by name into `folder`; each appears whole or not at all.

    Raises:
        Refused: The folder cannot be written; files written before stay.
    """
    paths = list[Path]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            paths.append(_replace(folder / name, text))
    except OSError as error:
        raise Refused(
            f"the report cannot be written to {folder} ({error.strerror}); {make_way(error)}, "
            "then run `potentiate report` on the folder with the evidence"
        ) from None
    return paths


def _replace(path: Path, text: str) -> Path:
    """Write beside the file, sync and rename, so that a reader never sees half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp keeps others out; a report is for all
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
