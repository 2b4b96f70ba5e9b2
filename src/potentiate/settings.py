"""Settings as frozen dataclasses: read from text, checked, and written back as text.

One border for everything a person types: `--set key=value`, `--technique name:key=value`, study files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, replace
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from potentiate.errors import Refused, unknown

Settings = TypeVar("Settings")


def changed(settings: Settings, changes: Mapping[str, Any], *, where: str) -> Settings:
    """Return `settings`, a frozen dataclass, with `changes` checked; text is read as its field's type.

    A list is typed as "a|b|c", the absence of a value as "none".

    Raises:
        Refused: A key that does not exist, or a value that breaks the field's type or rule.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from typing_extensions import TypedDict, get_type_hints

    before: Any = settings
    known = [f.name for f in fields(before) if f.init]
    for key in changes:
        if key not in known:
            if not known:
                raise Refused(f"{where} has no settings; leave '{key}' out")
            raise unknown("setting", key, known, f" of {where}")
    hints = get_type_hints(type(before), include_extras=True)
    # A TypedDict, because the fields of a model could hide what models have themselves ("copy", "json").
    typed: Any = TypedDict
    shape = typed(type(before).__name__, {key: hints[key] for key in changes})
    shape.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)
    try:
        read = {key: _read(value, hints[key]) for key, value in changes.items()}
        checked: dict[str, Any] = TypeAdapter(shape).validate_python(read)
    except ValidationError as error:
        raise Refused(_sentence(error, where)) from None
    return replace(before, **checked)


def _read(value: Any, hint: Any) -> Any:
    """Text as the field's type understands it: "none" may be a word of its own, "|" a letter."""
    if not isinstance(value, str):
        return value
    kinds = _kinds(hint)
    if value.lower() == "none" and NoneType in kinds:
        return None
    if tuple in kinds:
        return tuple(part for part in value.split("|") if part)
    return value


def _kinds(hint: Any) -> set[Any]:
    """The plain types that a type hint admits: of `Annotated[int, ...] | None` int and NoneType."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _kinds(get_args(hint)[0])
    if origin in (Union, UnionType):
        return {kind for part in get_args(hint) for kind in _kinds(part)}
    return {origin or hint}


def _sentence(error: Any, where: str) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    rule = (first["msg"][0].lower() + first["msg"][1:]).replace("valid tuple", "list")
    return f"{where}: {key}={first['input']!r} is refused: {rule}; choose another value for {key}"


def as_text(settings: Any) -> dict[str, str]:
    """Return the fields of `settings` that differ from their defaults, as text that `changed` reads."""
    given = {f.name for f in fields(settings) if getattr(settings, f.name) != _default(f)}
    return {name: text for name, text in written(settings).items() if name in given}


def written(settings: Any) -> dict[str, str]:
    """Return all fields of `settings` as text that `changed` reads back."""
    return {f.name: _write(getattr(settings, f.name)) for f in fields(settings) if f.init}


def _default(of: Field[Any]) -> Any:
    return of.default_factory() if of.default_factory is not MISSING else of.default


def _write(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "|".join(str(item) for item in cast("tuple[Any, ...]", value))
    return str(value)


def plain(settings: Any) -> dict[str, Any]:
    """Return all fields of `settings` as plain values for a record."""
    return asdict(settings)
