"""How people are written down is normalised, and how far two values agree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.people.matching import Field, Level
from intake.reading.comparing import compare, findings
from intake.reading.matching_keys import matching_keys
from intake.reading.person_records import person_record, says_day_first


@pytest.mark.parametrize(
    ("written", "given_name", "family_name"),
    [
        ("张伟", "伟", "张"),
        ("张 伟 先生", "伟", "张"),
        ("欧阳 小明", "小明", "欧阳"),
        ("Mr. José Müller", "jose", "muller"),
        ("Müller, José", "jose", "muller"),
        ("Mary Ann O'Neil", "mary ann", "oneil"),
        ("Ludwig van Beethoven", "ludwig", "van beethoven"),
    ],
)
def test_a_whole_name_is_split_as_its_language_does(
    written: str, given_name: str, family_name: str
) -> None:
    assert person_record({"name": written}) == {
        Field.GIVEN_NAME: given_name,
        Field.FAMILY_NAME: family_name,
    }


@pytest.mark.parametrize(
    "written",
    [
        "1980-05-03", "19800503", "1980/5/3", "3.5.1980", "1980年5月3日", "3 May 1980",
        "May 3, 1980", "1980 5 3", "1980-05-03 00:00:00", "3-May-80", "3/5/80",
    ],
)  # fmt: skip
def test_a_birth_date_is_one_value_however_written(written: str) -> None:
    assert person_record({"birth_date": written}) == {Field.BIRTH_DATE: "19800503"}


def test_the_dates_of_a_file_say_whether_the_day_comes_first() -> None:
    assert says_day_first(["03/04/1980", "25/12/1970"])
    assert not says_day_first(["03/04/1980", "12/25/1970"])
    assert person_record({"birth_date": "03/04/1980"}, day_first=False) == {
        Field.BIRTH_DATE: "19800304"
    }


@pytest.mark.parametrize(
    "written", ["+86 138 0013 8000", "13800138000", "0086-138-0013-8000", "(138) 0013 8000"]
)
def test_a_telephone_is_its_last_ten_digits(written: str) -> None:
    assert person_record({"phone": written}) == {Field.PHONE: "3800138000"}


def test_a_date_of_zeros_says_nothing() -> None:
    assert person_record({"birth_date": "0000-00-00"}) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [("Иван Петров", "Иван Петрова"), ("김철수", "김철수"), ("José Núñez", "jose nunez")],
)
def test_names_in_any_script_find_each_other(one: str, other: str) -> None:
    born = {"birth_date": "1980-05-03"}
    assert matching_keys(person_record({"name": one} | born)) & matching_keys(
        person_record({"name": other} | born)
    )


@pytest.mark.parametrize("nothing", ["", " ", "-", "N/A", "null", "unknown", "不详"])
def test_what_says_nothing_is_left_out(nothing: str) -> None:
    assert person_record({"city": nothing, "name": nothing}) == {}


@pytest.mark.parametrize(
    ("field", "one", "other", "level"),
    [
        (Field.GIVEN_NAME, "robert", "robert", Level.SAME),
        (Field.GIVEN_NAME, "robert", "rober", Level.CLOSE),
        (Field.GIVEN_NAME, "mary", "mary ann", Level.CLOSE),
        (Field.GIVEN_NAME, "robert", "rob", Level.SIMILAR),
        (Field.GIVEN_NAME, "robert", "r", Level.SIMILAR),
        (Field.GIVEN_NAME, "robert", "grace", Level.DIFFERENT),
        (Field.GIVEN_NAME, "小明", "小红", Level.SIMILAR),
        (Field.GIVEN_NAME, "伟", "芳", Level.DIFFERENT),
        (Field.GIVEN_NAME, "伟", "wei", None),
        (Field.FAMILY_NAME, "mc carthy", "mccarthy", Level.CLOSE),
        (Field.BIRTH_DATE, "19800503", "19800305", Level.CLOSE),
        (Field.BIRTH_DATE, "19800503", "19800504", Level.CLOSE),
        (Field.BIRTH_DATE, "19800503", "19800518", Level.SIMILAR),
        (Field.BIRTH_DATE, "1980", "19800503", Level.SIMILAR),
        (Field.BIRTH_DATE, "19800503", "19761231", Level.DIFFERENT),
        (Field.PHONE, "3800138000", "3800138001", Level.CLOSE),
        (Field.PHONE, "3800138000", "3911139111", Level.DIFFERENT),
        (Field.EMAIL, "robert25@smith.net", "robert25@gmail.com", Level.CLOSE),
        (Field.EMAIL, "anna@smith.net", "grace.kelly@jones.com", Level.DIFFERENT),
        (Field.NATIONAL_ID, "7364009", "7364090", Level.CLOSE),
        (Field.STREET, "12 oak st", "oak st 12", Level.CLOSE),
        (Field.STREET, "12 oak st", "14 oak st", Level.SIMILAR),
        (Field.STREET, "12 oak st", "7 church hill rd", Level.DIFFERENT),
        (Field.CITY, "london", "lonon", Level.CLOSE),
        (Field.POSTCODE, "4011", "4101", Level.CLOSE),
    ],
)
def test_two_values_agree_so_far(field: Field, one: str, other: str, level: Level | None) -> None:
    assert compare(field, one, other) == level


def test_names_in_each_others_place_are_one_finding() -> None:
    one = person_record({"given_name": "harrington", "family_name": "kayla"})
    other = person_record({"given_name": "kayla", "family_name": "harringten"})
    assert [(found.field, found.level) for found in findings(one, other)] == [
        (Field.GIVEN_NAME, Level.SWAPPED)
    ]
    assert matching_keys(one) & matching_keys(person_record({"name": "kayla harrington"}))


TEXT = st.one_of(
    st.text(alphabet="abc -", max_size=6),
    st.text(alphabet="张王伟芳明", max_size=3),
    st.text(alphabet="0123456789/-.@", max_size=12),
    st.text(max_size=8),
)
RECORDS = st.dictionaries(
    st.sampled_from([field.value for field in Field]), TEXT, max_size=len(Field)
).map(person_record)


@given(RECORDS, RECORDS)
def test_a_comparison_is_symmetric(one: dict[Field, str], other: dict[Field, str]) -> None:
    assert set(findings(one, other)) == set(findings(other, one))


@given(RECORDS)
def test_a_record_agrees_with_itself_in_all_that_it_says(record: dict[Field, str]) -> None:
    found = list(findings(record, record))
    assert {finding.field for finding in found} == record.keys()
    assert all(finding.level is Level.SAME for finding in found)
