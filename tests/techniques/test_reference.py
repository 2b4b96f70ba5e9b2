from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from potentiate.errors import Refused
from potentiate.techniques import TECHNIQUES, OneCycle, Optimizer, RateTable
from potentiate.techniques.reference import ABSENT, ALIASES, OTHER_NAMES, cards, parse

SPECS = [
    *TECHNIQUES,
    "adaptive-batch:objective=largest,limit=512,lr_rule=none",
    "batch-size:size=32,lr_rule=none",
    "compile:mode=max-autotune",
    "cosine:lr=0.1,epochs=2.5,warmup=0.1,final=0.01",
    "data-loading:mode=workers,workers=4,pin=True",
    "early-stopping:patience=none,target=0.9",
    "early-stopping:patience=5,min_delta=0.001",
    "early-stopping:metric=contrast,every=0.5",
    "ema-weights:decay=0.5",
    "gradient-accumulation:parts=4",
    "label-smoothing:smoothing=0.05",
    "lr-table:values=0.1",
    "lr-table:values=0.1|0.05|1e-05,epochs=9",
    "mixed-precision:dtype=fp16",
    "one-cycle:lr=0.006,epochs=2",
    "optimizer:name=SGD,lr=0.1,momentum=0.9,weight_decay=0",
    "rarer-evaluation:every=2",
    "short-schedule:factor=0.2",
    "no-angles:between=series",
    "step-decay:gamma=0.7,every=2",
    "temperature:schedule=multi_cycle_cosine,low=0.1,span=5",
    "threads:count=2",
]


@pytest.mark.parametrize("spec", SPECS)
def test_what_is_written_is_read_back(spec):
    technique = parse(spec)
    assert parse(technique.spec) == technique
    assert parse(technique.spec).spec == technique.spec


positive = st.floats(1e-300, 1e300)


@given(lr=st.none() | positive, epochs=st.none() | positive, rise=st.floats(0, 1, exclude_max=True))
def test_numbers_survive_to_the_last_bit(lr, epochs, rise):
    technique = OneCycle(lr=lr, epochs=epochs, rise=rise)
    assert parse(technique.spec) == technique


@given(values=st.lists(positive, max_size=5))
def test_tables_survive(values):
    technique = RateTable(tuple(values))
    assert parse(technique.spec) == technique


def test_defaults_are_not_written():
    assert parse("one-cycle").spec == "one-cycle"
    assert parse("optimizer:name=Adam").spec == "optimizer:kind=Adam"
    assert parse("optimizer:name=AdamW") == Optimizer()


@pytest.mark.parametrize(("alias", "meant"), ALIASES.items())
def test_aliases_are_techniques(alias, meant):
    assert parse(alias) == parse(meant)
    assert alias not in TECHNIQUES


@pytest.mark.parametrize("name", [*ABSENT, *OTHER_NAMES])
def test_what_is_not_there_says_so(name):
    assert name not in {*TECHNIQUES, *ALIASES}
    with pytest.raises(Refused, match=f"technique '{name}': .*; leave it out") as caught:
        parse(name)
    assert ". " not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("mixed-precision", "mixed-precision"),
        ("amp", "mixed-precision"),
        ("gradient-checkpointing", "activation-checkpointing"),
        ("adaptive-batch", "adaptive-batch"),
        ("compiled-model", "compile"),
        ("compiled-models", "compile"),
        ("early-stopping", "early-stopping"),
        ("memory-efficient-loading", "data-loading"),
        ("efficient-schedulers", "temperature"),
    ],
)
def test_words_of_the_seed_system_are_understood(word, meant):
    assert parse(word).name == meant


def test_spelling_is_forgiven():
    assert parse(" Gradient_Checkpointing ") == parse("activation-checkpointing")
    assert parse("batch-size: size = 32 ,") == parse("batch-size:size=32")


def test_settings_override_those_of_an_alias():
    assert parse("fp16:dtype=bf16") == parse("mixed-precision")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("one-cycel", "there is no technique 'one-cycel'; did you mean 'one-cycle'?"),
        ("batch-size:sice=3", "no setting 'sice' of technique 'batch-size'; did you mean 'size'?"),
        ("batch-size:size=0", "size='0' is refused: input should be greater than or equal to 1"),
        ("batch-size:size=big", "valid integer"),
        ("batch-size:size", "'size' is no setting; write it as key=value"),
        ("batch-size:=3", "is no setting"),
        ("batch-size:size=1,size=2", "size is stated twice"),
        ("batch-size:lr_rule=root", "lr_rule='root' is refused"),
        ("mixed-precision:dtype=fp8", "dtype='fp8' is refused: input should be 'bf16', 'fp16' or"),
        ("short-schedule:factor=1", "factor='1' is refused"),
        ("one-cycle:lr=nan", "lr='nan' is refused"),
        ("one-cycle:lr=inf", "lr='inf' is refused"),
        ("one-cycle:rise=1", "rise='1' is refused"),
        ("lr-table:values=0.1|x", "values.1='x' is refused"),
        ("optimizer:name=LBFGS", "no optimizer in torch.optim 'LBFGS'"),
        ("channels-last:size=3", "technique 'channels-last' has no settings; leave 'size' out"),
        (
            "pruning:ratio=0.2",
            "structured pruning, which takes whole channels out, is no technique",
        ),
        (
            "Knowledge_Distillation",
            "'Knowledge_Distillation': learning from a larger network is no",
        ),
        ("curriculum-learning", "learning from easy samples first is no technique yet; leave it"),
        (
            "temperature:schedule=linear",
            "no temperature schedule 'linear'; did you mean 'linear-de",
        ),
        ("temperature:low=0", "low='0' is refused: input should be greater than 0"),
        ("", "there is no technique ''"),
    ],
)
def test_mistakes_are_one_sentence(spec, sentence):
    with pytest.raises(Refused) as caught:
        parse(spec)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("card", cards("cpu"), ids=lambda card: card.name)
def test_every_technique_has_a_full_card(card):
    assert card.name in TECHNIQUES
    for text in (card.summary, card.source, card.helps, card.hurts, card.cost):
        assert len(text) > 5
    assert [s.name for s in card.settings] == [f.name for f in fields(TECHNIQUES[card.name])]
    assert all(
        setting.meaning and setting.default for setting in card.settings if setting.name != "values"
    )
    assert card.evidence == TECHNIQUES[card.name].evidence


def test_table_and_names_agree():
    assert all(kind.name == name for name, kind in TECHNIQUES.items())
    assert [card.name for card in cards()] == sorted(TECHNIQUES)


def test_exclusions_are_mutual_and_known():
    for name, kind in TECHNIQUES.items():
        for other in kind.excludes:
            assert name in TECHNIQUES[other].excludes
