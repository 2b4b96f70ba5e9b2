"""The report of a study, rebuilt from its findings alone: a web page, Markdown, and the configuration.

Nothing here needs torch, so a report can be made on any machine that has the evidence.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from potentiate.errors import Refused
from potentiate.study import emit, grounds, page, plots, results
from potentiate.study.findings import ArmResult, Findings
from potentiate.study.head import head, title
from potentiate.study.page import Page

if TYPE_CHECKING:
    from rich.table import Table

TEMPLATE = "report.html.j2"

_STYLES = {"good": "green", "doubt": "yellow", "bad": "red", "slow": "magenta", "info": "cyan"}


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
            results.singles(findings),
            results.confirmation(findings),
            results.front(findings),
            results.take_home(findings),
            results.search(findings),
            results.interactions(findings),
            grounds.headroom(findings),
            grounds.noise(findings),
            grounds.checks(findings),
            grounds.cost(findings),
            grounds.cut(findings),
            grounds.machine(findings),
            grounds.rebuild(findings, folder),
            grounds.replays(findings),
            grounds.glossary(findings),
        ],
    )


def markdown(findings: Findings, folder: Path = Path()) -> str:
    """The report in GitHub's Markdown; pictures are given in words."""
    return page.markdown(build(findings, folder))


def html(findings: Findings, folder: Path = Path()) -> str:
    """The report as one self-contained web page, pictures inside."""
    return _render(build(findings, folder))


def _render(built: Page) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["drawing"] = Markup  # drawings escape their own text
    source = files("potentiate.study").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(page=built)


def verdict_table(findings: Findings) -> Table:
    """The verdicts for a terminal, at most 110 columns wide: singles, then the confirmation."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=Text(title(findings)), pad_edge=False)
    for name, width in (("technique", 40), ("verdict", 24), ("speed-up", 21), ("quality change", 19)):
        table.add_column(name, max_width=width, overflow="fold")
    groups = (plots.ranked(findings.singles), findings.confirmation)
    for fresh, rows in enumerate(groups):
        for row in rows:
            name = plots.arm_name(findings, row) if fresh else row.arm
            cells = [name, *_verdict_cells(findings, row)]
            tone = results.badge(row).tone
            styles = ("", _STYLES.get(tone, "dim"), "", "")
            table.add_row(*map(Text, cells, styles), end_section=row is rows[-1])
    return table


def _verdict_cells(findings: Findings, row: ArmResult) -> tuple[str, str, str]:
    change = results.quality_change(row, findings.plan.metric).replace(" points", " pp")
    return results.badge(row).text, results.gain(row), change


def write(findings: Findings, folder: Path) -> list[Path]:
    """Write report.md, report.html, best.toml and best.json; each appears whole or not at all.

    Raises:
        Refused: The folder cannot be written; files written before stay.
    """
    import tomli_w

    built, config = build(findings, folder), emit.best_config(findings)
    contents = {
        "report.md": page.markdown(built),
        "report.html": _render(built),
        emit.CONFIG: tomli_w.dumps(config),
        "best.json": json.dumps(config, indent=2) + "\n",
    }
    return _written(folder, contents)


def _written(folder: Path, contents: Mapping[str, str]) -> list[Path]:
    paths = list[Path]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            paths.append(_replace(folder / name, text))
    except OSError as error:
        raise Refused(
            f"the report cannot be written to {folder} ({error.strerror}); make room or choose "
            "another --out, then run `potentiate report` on the folder with the evidence"
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
