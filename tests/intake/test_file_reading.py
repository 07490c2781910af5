"""How files of leads are read: piece by piece, each row on its own."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.imports.imports import Encoding, FileFormat, FileLayout
from intake.reading import rows
from intake.reading.rows import LONGEST_ROW, Row, RowReader
from keyturn_events import Refusal

CSV = FileLayout()
NDJSON = FileLayout(format=FileFormat.NDJSON)


def read(content: bytes, layout: FileLayout = CSV, *, piece: int = 1 << 20) -> list[Row]:
    rows = RowReader(layout)
    found: list[Row] = []
    for start in range(0, len(content), piece):
        found += rows.feed(content[start : start + piece])
    return [*found, *rows.finish()]


def forms(content: bytes, layout: FileLayout = CSV) -> list[object]:
    return [row.fault.code if row.fault else row.form for row in read(content, layout)]


def test_a_line_becomes_the_form_of_a_lead() -> None:
    content = (
        "name,phone,channel,budget.amount,budget.currency,household.homes_owned,"
        "household.relocating,household.members.0.relationship,household.members.0.birth_date,"
        "household.members.1.relationship,consents\n"
        "张伟,13800138000,web,1680000.00,CNY,0,yes,self,1990-05-01,,sms/marketing"
        " email/survey/denied\n"
    )
    assert forms(content.encode()) == [
        {
            "name": "张伟",
            "phone": "13800138000",
            "channel": "web",
            "budget": {"amount": "1680000.00", "currency": "CNY"},
            "household": {
                "homes_owned": 0,
                "relocating": True,
                "members": [{"relationship": "self", "birth_date": "1990-05-01"}],
            },
            "consents": [
                {"channel": "sms", "purpose": "marketing"},
                {"channel": "email", "purpose": "survey", "status": "denied"},
            ],
        }
    ]


def test_rows_without_channel_and_community_get_those_of_the_file() -> None:
    layout = replace(CSV, community_id="riverside")
    assert forms(b"phone,community_id\n1,\n2,hillside\n", layout) == [
        {"phone": "1", "channel": "file", "community_id": "riverside"},
        {"phone": "2", "channel": "file", "community_id": "hillside"},
    ]


def test_columns_of_other_names_are_mapped_and_unknown_ones_skipped_when_told() -> None:
    layout = replace(CSV, columns={"手机": "phone"}, ignore_unknown_columns=True, delimiter=";")
    assert forms("手机;age\n1;56\n".encode(), layout) == [{"phone": "1", "channel": "file"}]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("phone,age", "unknown-column"),
        ("phone,budget", "unknown-column"),
        ("phone,name.first", "unknown-column"),
        ("phone,phone", "duplicate-column"),
        ('phone,"na"me"', "header-not-readable"),
    ],
)
def test_a_wrong_header_fails_the_file(header: str, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(f"{header}\n1,2\n".encode())
    assert refused.value.code == code


def test_an_empty_file_has_no_header() -> None:
    for content in (b"", b"\n\n"):
        with pytest.raises(Refusal, match="header-not-readable"):
            read(content)


def test_a_wrong_line_is_a_row_with_a_fault_and_keeps_no_other_back() -> None:
    content = b'name,phone\na,1\nb\n"c" d,2\n\xff,3\ne,4,5\nf,6'
    assert forms(content) == [
        {"name": "a", "phone": "1", "channel": "file"},
        "wrong-number-of-cells",
        "malformed-row",
        "undecodable",
        "wrong-number-of-cells",
        {"name": "f", "phone": "6", "channel": "file"},
    ]
    assert [row.number for row in read(content)] == [1, 2, 3, 4, 5, 6]


def test_line_breaks_delimiters_and_quotes_within_quotes_belong_to_the_cell() -> None:
    assert forms(b'name,phone\r\n"a, ""b""\nc",1\r\n\r\n') == [
        {"name": 'a, "b"\nc', "phone": "1", "channel": "file"}
    ]


def test_a_row_beyond_all_bounds_is_one_fault_and_reading_goes_on() -> None:
    content = b"phone\n1\n" + b"9" * (LONGEST_ROW + 1) + b"\n2\n"
    for piece in (1 << 20, 1000):
        found = [row.fault.code if row.fault else row.form for row in read(content, piece=piece)]
        assert found == [
            {"phone": "1", "channel": "file"},
            "row-too-long",
            {"phone": "2", "channel": "file"},
        ]


def test_a_quote_that_is_never_closed_swallows_no_more_than_the_longest_row() -> None:
    content = b'phone\n"1\n' + b"2\n" * LONGEST_ROW
    found = read(content, piece=4096)
    assert found[0].fault is not None
    assert found[0].fault.code == "row-too-long"
    assert found[-1].form == {"phone": "2", "channel": "file"}


def test_ndjson_is_read_line_by_line() -> None:
    content = b'{"phone": "1"}\n\n[1]\n{"phone"\n{"phone": "2", "channel": "web"}'
    assert forms(content, NDJSON) == [
        {"phone": "1", "channel": "file"},
        "malformed-row",
        "malformed-row",
        {"phone": "2", "channel": "web"},
    ]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_is_no_part_of_the_first_column(mark: bytes) -> None:
    assert forms(mark + b"phone\n1\n") == [{"phone": "1", "channel": "file"}]


def test_a_file_in_gb18030_is_read_as_such() -> None:
    layout = replace(CSV, encoding=Encoding.GB18030)
    assert forms("name,phone\n张伟,1\n".encode("gb18030"), layout) == [
        {"name": "张伟", "phone": "1", "channel": "file"}
    ]


def test_gzip_of_several_members_is_one_file() -> None:
    layout = replace(CSV, gzip=True)
    content = gzip.compress(b"phone\n1\n") + gzip.compress(b"2\n" * 10)
    assert len(read(content, layout, piece=7)) == 11


def test_a_small_file_that_decompresses_to_much_is_read_in_bounded_pieces() -> None:
    layout = replace(CSV, gzip=True)
    content = gzip.compress(b"phone\n" + b"1\n" * 2_000_000)
    rows = RowReader(layout)
    assert next(rows.feed(content)).number == 1


@pytest.mark.parametrize("content", [b"phone\n1\n", b"", gzip.compress(b"phone\n1\n" * 99)[:-9]])
def test_broken_gzip_fails_the_file(content: bytes) -> None:
    with pytest.raises(Refusal, match="broken-gzip"):
        read(content, replace(CSV, gzip=True))


def test_a_file_has_a_million_rows_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_ROWS", 3)
    assert len(read(b"phone\n1\n2\n3\n")) == 3
    with pytest.raises(Refusal, match="too-many-rows"):
        read(b"phone\n1\n2\n3\n4\n")


_cells = st.text(alphabet='a,"\n\r张 ', max_size=6).filter(lambda cell: cell.strip())


@given(st.lists(_cells, min_size=1, max_size=8), st.integers(1, 20))
def test_however_the_file_is_cut_into_pieces_its_rows_are_the_same(
    names: list[str], piece: int
) -> None:
    quoted = [cell.replace('"', '""') for cell in names]
    content = "name,phone\n" + "".join(f'"{cell}",{n}\n' for n, cell in enumerate(quoted))
    rows = read(content.encode(), piece=piece)
    assert [row.form and row.form.get("name") for row in rows] == [name.strip() for name in names]
    assert rows == read(content.encode())


@pytest.mark.parametrize(
    ("encoding", "codec", "text"),
    [
        (Encoding.UTF_8, "utf-8", "name,phone\n张伟,1\nЮлия,2\n"),
        (Encoding.UTF_16, "utf-16", "name,phone\n张伟,1\nਊ∢,2\n"),
        (Encoding.UTF_16, "utf-16-le", "name,phone\n张伟,1\n"),
        (Encoding.GB18030, "gbk", "name,phone\n张伟,1\n"),
        (Encoding.BIG5, "big5", "name,phone\n張偉,1\n"),
        (Encoding.SHIFT_JIS, "cp932", "name,phone\n髙橋ソ表,1\n"),
        (Encoding.EUC_JP, "euc_jp", "name,phone\n高橋,1\n"),
        (Encoding.EUC_KR, "cp949", "name,phone\n김철수,1\n"),
        (Encoding.WINDOWS_1250, "cp1250", "name,phone\nŁukasz,1\n"),
        (Encoding.WINDOWS_1251, "cp1251", "name,phone\nЮлия,1\n"),
        (Encoding.WINDOWS_1252, "cp1252", "name,phone\nZoë “Z” €,1\n"),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_every_encoding_is_read_however_the_file_is_cut(
    encoding: Encoding, codec: str, text: str, piece: int
) -> None:
    found = read(text.encode(codec), replace(CSV, encoding=encoding), piece=piece)
    names = [line.split(",")[0] for line in text.splitlines()[1:]]
    assert [row.form and row.form["name"] for row in found] == names


@pytest.mark.parametrize("declared", [Encoding.UTF_8, Encoding.GB18030, Encoding.WINDOWS_1252])
@pytest.mark.parametrize("written", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_the_mark_of_the_file_has_precedence_over_what_is_declared(
    declared: Encoding, written: str
) -> None:
    mark = "\ufeff" if written == "utf-16-be" else ""
    content = f"{mark}name,phone\n张伟,1\n".encode(written)
    assert forms(content, replace(CSV, encoding=declared)) == [
        {"name": "张伟", "phone": "1", "channel": "file"}
    ]


def test_an_undecodable_byte_is_named_with_its_place_and_what_to_do() -> None:
    (row,) = read("name,phone\n张,1\n".encode() + "李娜,2\n".encode("gbk"))[1:]
    assert row.number == 2
    assert row.fault is not None
    assert row.fault.detail == (
        "Byte 1 of the row (C0) is not utf-8 text; save the file as UTF-8, or name the encoding it"
        " has with `encoding`: utf-8, utf-16, gb18030, big5, shift_jis, euc-jp, euc-kr,"
        " windows-1250, windows-1251, windows-1252."
    )
    assert row.text == "\ufffd\ufffd\ufffd\ufffd,2"


def test_half_a_surrogate_pair_rejects_its_row_alone() -> None:
    text = "phone\n1\nab\ud83d\n3\n"
    content = b"\xff\xfe" + text.encode("utf-16-le", "surrogatepass")
    first, second, third = read(content, replace(CSV, encoding=Encoding.UTF_16))
    assert (first.form, third.form) == (
        {"phone": "1", "channel": "file"},
        {"phone": "3", "channel": "file"},
    )
    assert second.fault is not None
    assert second.fault.detail.startswith("Character 3 of the row is half a surrogate pair;")


def test_utf_16_that_ends_in_the_middle_of_a_character_fails_the_file() -> None:
    content = "phone\n1\n".encode("utf-16")[:-1]
    with pytest.raises(Refusal, match="cut-off-character"):
        read(content, replace(CSV, encoding=Encoding.UTF_16))


def test_a_file_that_is_shorter_than_a_mark_is_read() -> None:
    assert read(b"\xef\xbb\xbf1", NDJSON)[0].fault is not None
    assert forms(b"{}", NDJSON) == [{"channel": "file"}]
