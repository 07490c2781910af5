from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.people.name_search import (
    LONGEST_BEGINNING,
    MOST_TERMS,
    asked_terms,
    search_terms,
)
from intake.reading.search_text import Sought, read_search
from keyturn_events import Refusal


def finds(typed: str, name: str) -> bool:
    asked = asked_terms(typed)
    return bool(asked) and set(asked) <= set(search_terms(name).split())


@pytest.mark.parametrize("typed", ["张", "伟", "明", "张伟", "伟明", "张伟明", " 张 伟 "])
def test_a_chinese_name_is_found_by_any_sequence_of_its_characters(typed: str) -> None:
    assert finds(typed, "张伟明")


@pytest.mark.parametrize("typed", ["张明", "明伟", "李", "zhang"])
def test_a_chinese_name_is_not_found_by_what_is_no_sequence_of_it(typed: str) -> None:
    assert not finds(typed, "张伟明")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("jos", "José García"),
        ("JOSÉ", "josé garcia"),
        ("gar jos", "José García"),
        ("mull", "Anna Müller"),
        ("o'br", "Seán O'Brien"),
        ("smith", "Ann Brien-Smith"),
        ("ＬＩ", "Li Na 李娜"),
        ("李 na", "Li Na 李娜"),
        ("买买提艾力", "买买提·艾力"),
        ("欧阳娜娜", "欧阳 娜娜"),
        ("민수", "김민수"),
        ("やまだ", "やまだ たろう"),
    ],
)
def test_a_name_is_found_whatever_its_case_accents_width_and_gaps(typed: str, name: str) -> None:
    assert finds(typed, name)


@pytest.mark.parametrize(("typed", "name"), [("osé", "José"), ("garcias", "García")])
def test_a_word_is_found_by_its_beginning_only(typed: str, name: str) -> None:
    assert not finds(typed, name)


def test_nobody_has_no_terms_and_punctuation_asks_for_nothing() -> None:
    assert search_terms(None) == ""
    assert asked_terms(" -· ") == ()


def test_letters_beyond_the_longest_beginning_tell_no_two_words_apart() -> None:
    word = "a" * LONGEST_BEGINNING

    assert finds(word + "b", word + "c")
    assert not finds(word[:-1] + "b", word)


def test_a_name_has_no_more_terms_than_are_kept() -> None:
    assert len(search_terms("甲乙丙丁戊己庚辛壬癸" * 20).split()) <= MOST_TERMS
    assert len(search_terms("".join(chr(0x4E00 + n) for n in range(200))).split()) == MOST_TERMS


@given(st.text(max_size=40))
def test_every_name_is_found_by_itself(name: str) -> None:
    terms = search_terms(name).split()

    assert len(terms) == MOST_TERMS or set(asked_terms(name)) <= set(terms)


@pytest.mark.parametrize(
    ("typed", "sought"),
    [
        ("张伟", Sought(terms=("张伟",))),
        ("张 8000", Sought(terms=("张",), phone_ends=("8000",))),
        ("+86 138 0013 8000", Sought(phone_ends=("8613800138000",))),
        ("138-0013-8000", Sought(phone_ends=("13800138000",))),
        ("07911 123456", Sought(phone_ends=("07911123456", "7911123456"))),
        ("00447911123456", Sought(phone_ends=("00447911123456", "447911123456"))),
        ("0138", Sought(phone_ends=("0138",))),
        ("０１３８", Sought(phone_ends=("0138",))),
        ("Li.Na@Example.com", Sought(email="li.na@example.com")),
        ("李 li.na@example.com", Sought(terms=("李",), email="li.na@example.com")),
        ("李2", Sought(terms=("李", "2"))),
    ],
)
def test_what_is_typed_is_read_as_name_phone_and_address(typed: str, sought: Sought) -> None:
    assert read_search(typed) == sought


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("   ", "nothing-to-search-by"),
        ("?!", "nothing-to-search-by"),
        ("800", "too-few-digits"),
        ("1234567890123456", "too-many-digits"),
        ("8000 x 9000", "two-phones"),
        ("a@b.c d@e.f", "two-emails"),
        ("a@b@c", "invalid-email"),
    ],
)
def test_what_cannot_be_searched_is_refused_with_what_to_mend(typed: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_search(typed)

    assert (refused.value.code, refused.value.pointer) == (code, "/query/q")


def test_fifteen_digits_are_a_phone_and_sixteen_are_none() -> None:
    assert read_search("1" * 15).phone_ends == ("1" * 15,)
    with pytest.raises(Refusal):
        read_search("1" * 16)
