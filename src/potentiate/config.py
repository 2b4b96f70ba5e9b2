"""The file that says how to train: a workload, its recipe, techniques, seed and device, as TOML.

A study emits it, `potentiate run` reads it, and every training leaves one beside its checkpoints.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from potentiate.errors import Refused, make_way, unknown

Setting = str | int | float | bool | None

FORMAT = 1
"""The format that this version writes; a file that names none is of the first."""
ORIGIN = "study"
"""The table in which a study says where its recommendation comes from; a training does not need it."""


@dataclass(frozen=True)
class RunConfig:
    """One training, completely declared.

    Attributes:
        workload: A name of the table, or "file.py:attribute".
        seed: Decides initial weights, data order and dropout.
        device: "cpu", "cuda" or "auto".
        techniques: Specs as on the command line, "name:key=value,key=value".
        recipe: Settings of the workload that differ from its own, as for `--set`.
    """

    workload: str
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    device: str = "auto"
    techniques: tuple[str, ...] = ()
    recipe: Mapping[str, Setting] = field(default_factory=dict[str, Setting])


def read_config(path: Path) -> RunConfig:
    """Return the declaration in the TOML file `path`.

    A workload file that lies beside the TOML is found from anywhere.

    Raises:
        Refused: No such file, not TOML (with the line), a newer format, a key that does not exist
            (with the nearest), or a value of the wrong type.
    """
    return _beside(path, _checked(path, without_format(path, _parsed(path))))


def without_format(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of the file `path` without its "format".

    Raises:
        Refused: It is a format that this version cannot read.
    """
    version = content.get("format", 1)
    if version not in range(1, FORMAT + 1):
        raise Refused(
            f"{path} has format {version!r} and this potentiate reads up to {FORMAT}; use the version "
            "of potentiate that wrote it"
        )
    return {key: value for key, value in content.items() if key != "format"}


def write_config(path: Path, config: RunConfig) -> Path:
    """Write `config` as TOML and return `path`; `read_config` gives it back equal.

    TOML has no null, so None is written "none", which settings read as None.

    Raises:
        Refused: The file cannot be written.
    """
    import tomli_w

    content = {"format": FORMAT, **asdict(config)}
    content["recipe"] = {k: "none" if v is None else v for k, v in config.recipe.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomli_w.dumps(content), encoding="utf-8")
    except OSError as error:
        raise Refused(
            f"{path} could not be written ({error.strerror or error}); {make_way(error)}"
        ) from error
    return path


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(
            f"there is no file {path}; give the path of a TOML file such as best.toml"
        ) from None
    except OSError as error:
        raise Refused(
            f"{path} cannot be read ({error.strerror or error}); check the path"
        ) from error
    except UnicodeDecodeError:
        raise Refused(
            f"{path} is not text in UTF-8, so it is no TOML file; check the path"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path} is not valid TOML: {error}; mend that line") from None


def _checked(path: Path, content: dict[str, Any]) -> RunConfig:
    from pydantic import TypeAdapter, ValidationError

    known = {f.name for f in fields(RunConfig)}
    content = {key: value for key, value in content.items() if key != ORIGIN}
    for key in content:
        if key not in known:
            raise unknown("key", key, known, f" in {path}")
    if "workload" not in content:
        raise Refused(f'{path} names no workload; add a line such as workload = "cnn/digits"')
    recipe = content.get("recipe", {})
    if isinstance(recipe, dict):
        settings = cast("dict[str, Any]", recipe).items()
        content = {**content, "recipe": {k: _setting(v) for k, v in settings}}
    try:
        return TypeAdapter(RunConfig).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][:2])
        rule = first["msg"].lower().replace("valid tuple", "list")
        raise Refused(
            f"{path}: {key} = {first['input']!r} is refused: {rule}; mend that line"
        ) from None


def _setting(value: Any) -> Any:
    """What TOML lacks: an array becomes what `--set` takes, "a|b", and "none" is None."""
    if isinstance(value, list | tuple):
        items = cast("Sequence[Any]", value)
        return "|".join(map(str, items)) + ("|" if len(items) == 1 else "")
    return None if value == "none" else value


def _beside(path: Path, config: RunConfig) -> RunConfig:
    name, colon, attribute = config.workload.rpartition(":")
    file = name if colon else attribute
    candidate = path.parent / file
    if not file.endswith(".py") or not candidate.is_file():
        return config
    return replace(config, workload=f"{candidate.resolve()}{colon}{attribute if colon else ''}")
