from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from potentiate.errors import Refused
from potentiate.settings import as_text, changed, plain, written


@dataclass(frozen=True)
class Example:
    count: Annotated[int, Field(ge=1)] = 3
    rate: Annotated[float, Field(gt=0)] | None = None
    rule: Literal["auto", "none"] = "auto"
    label: str = "a"
    pin: bool = False
    values: tuple[float, ...] = ()
    copy: float = 1.0  # models have a method of this name
    pair: tuple[int, int] | None = None
    made: float = field(default=0.0, init=False)


def read(**changes: object) -> Example:
    return changed(Example(), changes, where="example")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("count", "12", 12),
        ("rate", "1e-3", 1e-3),
        ("rate", "none", None),
        ("rate", "None", None),
        ("rule", "none", "none"),  # a word of its own, not the absence of a value
        ("label", "none", "none"),
        ("label", "a|b", "a|b"),
        ("pin", "true", True),
        ("values", "1|2.5", (1.0, 2.5)),
        ("values", "1", (1.0,)),
        ("values", "1|", (1.0,)),
        ("values", "", ()),
        ("copy", "2", 2.0),
        ("pair", "1|2", (1, 2)),
        ("pair", "none", None),
    ],
)
def test_text_is_read_as_the_fields_type(key, text, value):
    assert getattr(read(**{key: text}), key) == value


def test_values_are_taken_as_they_are():
    assert read(values=[1, 2], rate=None, pin=True) == Example(values=(1.0, 2.0), pin=True)


def test_no_change_is_the_same():
    assert read() == Example()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cont": 1}, "there is no setting 'cont' of example; did you mean 'count'?"),
        ({"made": 1}, "there is no setting 'made' of example"),
        (
            {"count": "0"},
            "example: count='0' is refused: input should be greater than or equal to 1;",
        ),
        ({"count": "1.5"}, "count='1.5' is refused"),
        ({"count": "none"}, "count='none' is refused"),
        ({"rate": "nan"}, "rate='nan' is refused: input should be a finite number"),
        ({"rate": float("inf")}, "rate=inf is refused"),
        ({"rule": "sometimes"}, "input should be 'auto' or 'none'; choose another value for rule"),
        ({"pin": "perhaps"}, "pin='perhaps' is refused"),
        ({"values": "1|x|3"}, "values.1='x' is refused"),
        ({"pair": "1|2|3"}, "is refused"),
    ],
)
def test_mistakes_are_one_sentence(changes, sentence):
    with pytest.raises(Refused) as caught:
        read(**changes)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_without_fields_say_so():
    @dataclass(frozen=True)
    class Nothing:
        pass

    with pytest.raises(Refused, match="example has no settings; leave 'a' out"):
        changed(Nothing(), {"a": 1}, where="example")


def test_only_what_differs_is_written():
    assert as_text(Example()) == {}
    assert as_text(Example(count=4, values=(1.0,))) == {"count": "4", "values": "1.0"}
    assert set(written(Example())) == set(plain(Example())) - {"made"}


numbers = st.floats(min_value=1e-300, max_value=1e300)


@given(
    count=st.integers(1, 10**12),
    rate=st.none() | numbers,
    rule=st.sampled_from(["auto", "none"]),
    label=st.text(st.characters(codec="utf-8"), max_size=8),
    pin=st.booleans(),
    values=st.lists(numbers, max_size=4),
    pair=st.none() | st.tuples(st.integers(), st.integers()),
)
def test_what_is_written_is_read_back(count, rate, rule, label, pin, values, pair):
    settings = Example(count, rate, rule, label, pin, tuple(values), pair=pair)
    assert changed(Example(), as_text(settings), where="example") == settings
    assert changed(Example(), written(settings), where="example") == settings
