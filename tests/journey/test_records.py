"""The public records, as far as they are here: the published counts come out."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from keyturn_demo.records import (
    COMPLAINTS,
    RecordsError,
    bank_leads,
    housing_complaints,
    new_build_sales,
    require_records,
    residents,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_records = pytest.mark.skipif(not DATA.is_dir(), reason="the public records are not here")


@needs_records
def test_bank_leads_are_all_there() -> None:
    leads = bank_leads(DATA)
    assert (len(leads), sum(lead.subscribed for lead in leads)) == (41_188, 4_640)


@needs_records
def test_new_builds_are_told_apart_though_one_address_was_sold_twice() -> None:
    sales = new_build_sales(DATA)
    assert len(sales) == 1_263
    assert len({sale.address_key for sale in sales}) == 1_262
    assert [sale.sold_before for sale in sales if sale.sold_before] == [1]
    assert len({(sale.address_key, sale.sold_before) for sale in sales}) == 1_263


@needs_records
def test_housing_complaints_have_their_own_due_dates() -> None:
    complaints = housing_complaints(DATA)
    dated = [complaint for complaint in complaints if complaint.due is not None]
    assert (len(complaints), len(dated)) == (894, 891)
    assert sum(complaint.late for complaint in complaints) == 102
    assert complaints == sorted(complaints, key=lambda complaint: complaint.created)


@needs_records
def test_residents_are_counted_by_frequency() -> None:
    people = residents(DATA)
    assert len(people) == 1_681
    assert {resident.satisfaction for resident in people} == {"Low", "Medium", "High"}


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="survey_copenhagen_housing"):
        require_records(tmp_path)


def test_a_file_that_is_no_gzip_is_named(tmp_path: Path) -> None:
    (tmp_path / COMPLAINTS).write_bytes(b"no gzip")
    with pytest.raises(RecordsError, match=COMPLAINTS):
        housing_complaints(tmp_path)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(b"Agency,CreatedDate\nHousing,x\n")
    (tmp_path / COMPLAINTS).write_bytes(whole[:-10])
    with pytest.raises(RecordsError, match=COMPLAINTS):
        housing_complaints(tmp_path)
