"""What a report is made of, before it is a web page or Markdown: the same blocks become both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Text:
    """A paragraph; its tone is "" or "quiet"."""

    text: str
    tone: str = ""
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    items: Sequence[str]
    kind: ClassVar[str] = "items"


@dataclass(frozen=True)
class Code:
    """Lines to be copied as they stand."""

    code: str
    language: str = "sh"
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        tone: A verdict's color.
        badge: Whether it is set as a label.
        specs: Whether it names techniques, joined by " + ", which are not to be broken.
        note: What stands before the text.
        link: Where it leads, as an address relative to the page; "" leads nowhere.
    """

    text: str
    tone: str = ""
    badge: bool = False
    specs: bool = False
    note: str = ""
    link: str = ""

    @property
    def full(self) -> str:
        """Note and text."""
        return f"{self.note}: {self.text}" if self.note else self.text


@dataclass(frozen=True)
class Table:
    """Rows under headings; the first column names the row. `folded` hides it until asked for."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    folded: bool = False
    kind: ClassVar[str] = "table"

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, every cell with its tone."""
        return [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in self.rows]


@dataclass(frozen=True)
class Picture:
    """An SVG drawing with the sentence that says what to see in it."""

    svg: str
    caption: str
    kind: ClassVar[str] = "picture"

    @property
    def alternative(self) -> str:
        """The text for those who do not see the drawing."""
        found = re.search(r'aria-label="([^"]*)"', self.svg)
        return found.group(1) if found else ""


Block = Text | Items | Code | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what is under it."""

    id: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Head:
    """What a newcomer must see in ten seconds.

    Attributes:
        state: "confirmed", "nothing", "open" or "measured", for the color.
        headline: The big words, such as "3.4x faster".
        claim: One sentence.
        command: What to type.
        before_after: Rows of (what, before, after, remark); "" after where nothing changes.
        before_title: Heading of these rows.
        sure: Sentences on how sure that is.
    """

    state: str
    workload: str
    headline: str
    subline: str
    claim: str
    command: str
    command_note: str
    before_after: Sequence[tuple[str, str, str, str]]
    before_title: str
    sure: Sequence[str]
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    head: Head
    sections: Sequence[Section]


def markdown(page: Page) -> str:
    """The page in GitHub's Markdown."""
    head = page.head
    lines = [
        f"# {escape(page.title)}",
        "",
        f"**{escape(head.headline)}** {escape(head.subline)}",
        "",
    ]
    lines += [escape(head.claim), ""]
    for warning in head.warnings:
        lines += [f"> **Note:** {escape(warning)}", ""]
    lines += ["## What to do", "", *_code(Code(head.command)), escape(head.command_note), ""]
    if head.before_after:
        table = Table("", ("", "before", "after", "remark"), head.before_after)
        lines += [f"## {head.before_title}", "", *_table(table)]
    if head.sure:
        lines += ["## How sure that is", "", *_items(Items(head.sure))]
    for section in page.sections:
        lines += [f"## {escape(section.title)}", ""]
        for block in section.blocks:
            lines += _block(block)
    return "\n".join(lines).rstrip() + "\n"


def _block(block: Block) -> list[str]:
    match block:
        case Text():
            return [escape(block.text), ""]
        case Items():
            return _items(block)
        case Code():
            return _code(block)
        case Table():
            return _table(block)
        case Picture():
            # The alternative is HTML text already, as is the Markdown it goes into.
            return [f"*{escape(block.caption)}* {escape(block.alternative, html=False)}", ""]


def _items(block: Items) -> list[str]:
    return [*(f"- {escape(item)}" for item in block.items), ""]


def _code(block: Code) -> list[str]:
    ticks = max(map(len, re.findall("`+", block.code)), default=0)
    fence = "`" * max(3, ticks + 1)
    return [f"{fence}{block.language}", *block.code.split("\n"), fence, ""]


def _table(table: Table) -> list[str]:
    lines = [f"**{escape(table.caption)}**", ""] if table.caption else []
    lines.append("| " + " | ".join(escape(column) for column in table.columns) + " |")
    lines.append("|" + "---|" * len(table.columns))
    rows = ("| " + " | ".join(map(_cell, row)) + " |" for row in table.cells)
    return [*lines, *rows, ""]


def _cell(cell: Cell) -> str:
    return f"[{escape(cell.full)}]({cell.link})" if cell.link else escape(cell.full)


def escape(text: str, html: bool = True) -> str:
    """Text that Markdown shows as it is, on one line; `html=False` if it is HTML text already."""
    text = " ".join(text.split())
    if html:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]~])", r"\\\1", text)
