"""What `make demo` may be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyturn_demo.options import DEFAULT_HOUSEHOLDS, Options, OptionsError, read_options


def test_nothing_said_means_the_generated_neighbourhood() -> None:
    assert read_options({"N": "", "DATA": "", "BROKER": ""}) == Options()
    assert Options().households == DEFAULT_HOUSEHOLDS


def test_everything_may_be_said(tmp_path: Path) -> None:
    options = read_options({"N": "12", "SEED": "7", "DATA": str(tmp_path), "BROKER": "apache"})
    assert (options.households, options.seed) == (12, 7)
    assert (options.data, options.broker) == (tmp_path, "apache")


@pytest.mark.parametrize("written", ["0", "-3", "5001", "many", "1e3", "٣"])
def test_a_size_out_of_bounds_says_the_bounds(written: str) -> None:
    with pytest.raises(OptionsError, match="from 1 to 5000"):
        read_options({"N": written})


def test_a_data_directory_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionsError, match="DATA=/nowhere"):
        read_options({"DATA": "/nowhere"})
