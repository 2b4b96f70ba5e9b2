"""A study read from its folder: everything the report shows, from the evidence alone and without PyTorch."""

from __future__ import annotations

from pathlib import Path

from potentiate.errors import Refused
from potentiate.study.blocks import BASELINE
from potentiate.study.findings import Findings
from potentiate.study.ledger import Ledger
from potentiate.study.plan import Plan, plan_from_json
from potentiate.study.procedure import investigate
from potentiate.study.record import Record
from potentiate.study.replay import read_replays


def read_study(folder: Path) -> tuple[Plan, Record, Ledger]:
    """Return plan, pilot run and evidence of a study folder, to be read only.

    Raises:
        Refused: No study is there, or it stopped before it had a plan.
    """
    path = folder / "evidence.jsonl"
    if not path.is_file():
        raise Refused(
            f"there is no study in {folder}: {path.name} is missing; name the folder that a study wrote"
        )
    ledger = Ledger(folder)
    stored, pilot = ledger.fact("plan"), ledger.records.get(f"pilot/0/{BASELINE}")
    if stored is None or pilot is None:
        raise Refused(
            f"the study in {folder} stopped before its plan was fixed; start its command again"
        )
    ledger.ask_again("pilot")  # as the study did
    ledger.ask_again("pilot full")
    return plan_from_json(stored), pilot, ledger


def read_findings(folder: Path) -> Findings:
    """Return what the evidence in `folder` says, as far as it goes.

    Raises:
        Refused: As `read_study`.
    """
    try:
        plan, pilot, ledger = read_study(folder)
        machine = (ledger.fact("machine") or {"facts": {}})["facts"]
        findings = investigate(plan, pilot, ledger, machine)
        findings.replays = read_replays(ledger)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Refused(
            f"the evidence in {folder} is damaged ({type(error).__name__}: {error}): a line is not as a study "
            "writes it; mend it or restore a copy"
        ) from error
    return findings
