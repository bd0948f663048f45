"""What is printed can be read again and means the same; a secret never stands in it."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wire.settings import Secret, SettingsError, load, render


@dataclass(frozen=True, slots=True)
class Inner:
    text: str = "x"
    number: float = 0.5
    patience: timedelta = timedelta(seconds=1.5)
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    inner: Inner = field(default_factory=Inner)
    deeper: tuple[Inner, ...] = ()


@dataclass(frozen=True, slots=True)
class Whole:
    inner: Inner = field(default_factory=Inner)
    flag: bool = False
    count: int = 0
    texts: tuple[str, ...] = ()
    path: Path | None = None
    items: tuple[Item, ...] = ()
    missing: Inner | None = None


# What TOML can hold: no lone surrogates.
texts = st.text(st.characters(exclude_categories=("Cs",)))
inners = st.builds(
    Inner,
    text=texts,
    number=st.floats(allow_nan=False),
    patience=st.timedeltas(timedelta(0), timedelta(days=400)),
)
wholes = st.builds(
    Whole,
    inner=inners,
    flag=st.booleans(),
    count=st.integers(-(2**63), 2**63 - 1),
    texts=st.lists(texts).map(tuple),
    path=st.none() | texts.filter(lambda text: "\0" not in text).map(Path),
    items=st.lists(
        st.builds(Item, name=texts, inner=inners, deeper=st.lists(inners).map(tuple)), max_size=3
    ).map(tuple),
    missing=st.none() | inners,
)


@settings(deadline=None)
@given(wholes)
def test_what_is_printed_means_the_same_when_read_again(whole: Whole) -> None:
    with tempfile.NamedTemporaryFile("wb") as file:
        file.write(render(whole).encode())
        file.flush()
        assert load(Whole, Path(file.name)) == whole


def test_a_secret_stands_there_as_what_it_is_read_from(tmp_path: Path) -> None:
    kept = tmp_path / 'the "key"'
    kept.write_text("s3cret\n")
    path = tmp_path / "settings.toml"
    path.write_text(
        f"[inner]\nsecret = {{ file = '{kept}' }}\n[missing]\nsecret = {{ environment = 'KEY' }}\n"
    )
    environment = {"KEY": "also-s3cret"}
    settings = load(Whole, path, environment)
    text = render(settings)
    assert "s3cret" not in text
    path.write_text(text)
    again = load(Whole, path, environment)
    assert again == settings
    assert again.missing is not None
    assert again.missing.secret is not None
    assert again.missing.secret.reveal() == "also-s3cret"


def test_numbers_that_are_none_are_left_to_toml() -> None:
    assert "number = inf" in render(Inner(number=math.inf))


def test_a_secret_in_plain_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('[inner]\nsecret = "s3cret"\n')
    with pytest.raises(SettingsError, match="never plain text"):
        load(Whole, path)
