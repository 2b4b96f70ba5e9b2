"""What a person asks of a study, as words on the command line or as a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, TypeAdapter, ValidationError

from potentiate.config import FORMAT, without_format
from potentiate.errors import Refused, make_way, unknown
from potentiate.study.plan import EVERYTHING, Claim, Objective

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
FILE = "study.toml"


@dataclass(frozen=True)
class Declaration:
    """A study as it was asked for; the same words find the same study again.

    Attributes:
        workload: A name of the table, or "file.py:attribute".
        mode: "full" tries everything alone and combined, "test" the named techniques, "baseline-only" nothing.
        profile: How many techniques and blocks.
        tests: Technique specs, for mode "test".
        recipe: Settings of the baseline that differ from the workload's own.
        margin: Loss of quality that counts as equal, in the metric's unit; None: the workload's own.
        budget: Seconds that the plan is cut to; None cuts nothing.
        objective: What is to be saved: time, peak memory, energy, or time and memory together.
        seeds: Full paired runs in place of the looks; None keeps the looks.
        seed: First seed.
        device: "cpu" or "cuda".
        threads: Threads of every run; None leaves it to PyTorch.
        claims: Of others, to stand beside what is measured at the end of the report.
        datasets: Sets that the model `workload` is studied on, each in a study of its own; see `datasets`.
    """

    workload: str
    mode: Literal["full", "test", "baseline-only"] = "full"
    profile: Literal["quick", "standard", "thorough"] = "standard"
    tests: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict[str, Any])
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    budget: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    objective: Objective = "fastest"
    seeds: Annotated[int, Field(ge=3, le=100)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: Literal["cpu", "cuda"] = "cpu"
    threads: Annotated[int, Field(ge=1)] | None = None
    claims: tuple[Claim, ...] = ()
    datasets: tuple[str, ...] = ()


def seconds(text: str) -> float:
    """Return the seconds of "90s", "30m" or "1.5h".

    Raises:
        Refused: It is no such text.

    Example:
        >>> seconds("1.5h")
        5400.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if match is None or float(match[1]) == 0:
        raise Refused(
            f"the budget {text!r} is not a time; write a number and s, m or h, for example 30m"
        )
    return float(match[1]) * UNITS[match[2]]


def points(text: str) -> float:
    """Return the margin of "0.5pp" (percentage points) or of a plain number in the metric's unit.

    Raises:
        Refused: It is no such text.

    Example:
        >>> points("0.3pp")
        0.003
    """
    match = re.fullmatch(r"(\d*\.?\d+)(pp)?", text.strip())
    if match is None or float(match[1]) == 0 or (match[2] and float(match[1]) >= 100):
        raise Refused(
            f"the margin {text!r} is not one; write points below 100 such as 0.5pp, or a number above 0"
        )
    return round(float(match[1]) / 100, 12) if match[2] else float(match[1])


def located(workload: str) -> str:
    """Return a workload file by its full path, so that it is found from any folder later."""
    path, colon, attribute = workload.rpartition(":")
    name = path if colon else attribute
    if not name.endswith(".py"):
        return workload
    return f"{Path(name).resolve()}:{attribute if colon else 'workload'}"


def _beside(path: Path, workload: str) -> str:
    """A workload file that lies beside the TOML is found from anywhere."""
    file = path.parent / workload.partition(":")[0]
    return located(f"{path.parent / workload}" if file.is_file() else workload)


def write_declaration(path: Path, declaration: Declaration) -> Path:
    """Write what was asked as TOML; `read_declaration` gives it back equal."""
    import tomli_w

    default = Declaration("")
    asked = {k: v for k, v in asdict(declaration).items() if v != getattr(default, k)}
    if declaration.budget is not None:
        minutes, rest = divmod(declaration.budget, 60.0)
        asked["budget"] = f"{declaration.budget:.12g}s" if rest else f"{minutes:.0f}m"
    if declaration.claims:  # TOML has no null
        asked["claims"] = [
            {key: value for key, value in asdict(claim).items() if value not in (None, "")}
            for claim in declaration.claims
        ]
    try:
        if path.is_file() and read_declaration(path) == declaration:
            return path  # the file it was read from, perhaps with comments
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps({"format": FORMAT, **asked}), encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be written ({error.strerror}); {make_way(error)}") from None
    return path


def read_declaration(path: Path) -> Declaration:
    """Return the study that a TOML file declares.

    Raises:
        Refused: No such file, not TOML (with the line), an unknown key (with the nearest), or a value
            that breaks its rule.
    """
    try:
        asked = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not valid TOML: {error}; mend that line") from None
    asked = without_format(path, asked)
    _check_keys(Declaration, asked, f" in {path}")
    _check_claims(path, asked.get("claims", []))
    if "workload" not in asked:
        raise Refused(f'{path} names no workload; add a line such as workload = "cnn/digits"')
    if isinstance(asked["workload"], str):
        asked["workload"] = _beside(path, asked["workload"])
    for key, read in (("budget", seconds), ("margin", points)):
        if isinstance(asked.get(key), str):
            asked[key] = read(asked[key])
    try:
        declared = TypeAdapter(Declaration).validate_python(asked)
    except ValidationError as error:
        first = error.errors()[0]
        raise Refused(
            f"{path}: {_place(first['loc'])} = {first['input']!r} is refused: {first['msg'].lower()}; mend that line"
        ) from None
    if bool(declared.tests) != (declared.mode == "test"):
        raise Refused(
            f'{path}: tests and mode = "test" belong together; write both, or neither of them'
        )
    return declared


def resolved_claims(declaration: Declaration) -> tuple[Claim, ...]:
    """Return the claims, each with its arm as the evidence names it.

    Raises:
        Refused: An arm names no technique; or a claim is about everything, and no test is.
    """
    if not declaration.claims:
        return ()
    tested = [_arm(text) for text in declaration.tests]
    return tuple(
        replace(claim, arm=_everything(tested) if claim.arm == EVERYTHING else _arm(claim.arm))
        for claim in declaration.claims
    )


def _arm(text: str) -> str:
    from potentiate.techniques.reference import parse  # brings torch, which reading does not need

    return " + ".join(parse(spec).spec for spec in text.split(" + "))


def _everything(tested: Sequence[str]) -> str:
    """The arm that holds every technique of all the arms."""
    specs = {spec for arm in tested for spec in arm.split(" + ")}
    whole = next((arm for arm in tested if specs == set(arm.split(" + "))), None)
    if whole is None:
        raise Refused(
            "a claim is about everything and no arm holds all that is tested; add one to the tests that "
            "joins them with ' + ', or name the arm"
        )
    return whole


def _check_keys(kind: type[Declaration | Claim], asked: dict[str, Any], where: str) -> None:
    known = [f.name for f in fields(kind)]
    for key in asked:
        if key not in known:
            raise unknown("key", key, known, where)


def _check_claims(path: Path, claims: object) -> None:
    """Check what the types of a claim do not say."""
    if not isinstance(claims, list):
        raise Refused(f"{path}: claims is no list of tables; head each claim with [[claims]]")
    for number, claim in enumerate(cast("list[Any]", claims), 1):
        where = f"claim {number} of {path}"
        if not isinstance(claim, dict):
            raise Refused(f"{where} is no table; head each claim with [[claims]]")
        stated = cast("dict[str, Any]", claim)
        _check_keys(Claim, stated, f" in {where}")
        for key in ("arm", "measure", "says"):
            if stated.get(key, "") == "":
                raise Refused(f"{where} names no {key}; add a line such as {_EXAMPLES[key]}")
        low, high = stated.get("low"), stated.get("high")
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            raise Refused(f"{where} has low = {low} above high = {high}; exchange them")


_EXAMPLES = {
    "arm": 'arm = "everything"',
    "measure": 'measure = "time"',
    "says": 'says = "2-5x faster"',
}


def _place(location: tuple[int | str, ...]) -> str:
    """Where in the file a value stands, as a person counts: "claims 2 measure"."""
    counted = (str(part + 1) if isinstance(part, int) else part for part in location)
    return " ".join(counted) if location[0] == "claims" else str(location[0])
