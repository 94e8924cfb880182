"""Markets made before statements, dividends and presets existed stay as they were, and the new tables are as reproducible."""

import hashlib
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pureplay.synthetic import market
from pureplay.synthetic.settings import Seeds, grow_seeds

pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")

SMALL: dict[str, Any] = {"stocks": 60, "sessions": 60}
EARLY: dict[str, Any] = {"stocks": 60, "sessions": 80, "seed": 3, "end": date(2020, 6, 30)}


def whole(frame: pl.DataFrame, column: str, unit: float) -> bytes:
    """A column in whole units: exponentials may differ in the last digit between machines, what is sold in cents does not."""
    values = np.rint(frame[column].fill_null(-9.0).cast(pl.Float64).to_numpy() / unit)
    return values.astype(np.int64).tobytes()


def digest(tables: dict[str, pl.DataFrame]) -> dict[str, str]:
    """Fingerprints of the tables that the first version already had."""
    columns = {
        "bars": [("open", 0.01), ("close", 0.01), ("ret", 1e-9), ("volume", 1.0), ("limit_up", 0.01), ("total_cap", 1.0)],
        "factors": [("size", 1e-4), ("value", 1e-4), ("liquidity", 1e-4), ("strev_20", 1e-4), ("ivol_20", 1e-4)],
        "filings": [("revision", 1), ("total_revenue", 1.0)],
        "segments": [("revision", 1), ("revenue", 1.0)],
        "industries": [],
    }
    found = {}
    for name, parts in columns.items():
        frame = tables[name]
        said = "|".join(",".join(map(str, row)) for row in frame.select(pl.col(pl.String, pl.Date)).iter_rows())
        found[name] = hashlib.sha256(said.encode() + b"".join(whole(frame, *part) for part in parts)).hexdigest()[:16]
    return found


PINNED: list[tuple[dict[str, Any], dict[str, str]]] = [
    (
        SMALL,
        {
            "bars": "78c3c582e197dab7",
            "factors": "331b5df8b57c8afc",
            "filings": "6748debe1f428799",
            "segments": "88c71d81db94c17e",
            "industries": "7a6ff8dd31273269",
        },
    ),
    (
        EARLY,
        {
            "bars": "48334ba9d2b8ea65",
            "factors": "64a01207ce78e2df",
            "filings": "0d4d1e92b281c9de",
            "segments": "37592cda2e8bf315",
            "industries": "601404b9739411a3",
        },
    ),
]


@pytest.mark.parametrize(("settings", "expected"), PINNED, ids=["default", "early"])
def test_older_markets_are_what_they_were(settings: dict[str, Any], expected: dict[str, str]) -> None:
    assert digest(market(**settings).tables) == expected


def test_a_new_part_leaves_the_seeds_of_the_older_ones_alone() -> None:
    seeds = grow_seeds(7)
    older = np.random.SeedSequence(7).spawn(7)
    for name, expected in zip(("tree", "firms", "mixes", "filings", "industries", "shocks", "cells"), older, strict=True):
        assert (getattr(seeds, name).generate_state(4) == expected.generate_state(4)).all()
    states = {tuple(getattr(seeds, name).generate_state(4)) for name in Seeds.__dataclass_fields__}
    assert len(states) == len(Seeds.__dataclass_fields__)


def test_new_tables_come_from_the_seed_alone() -> None:
    summer = {**SMALL, "end": date(2025, 8, 29)}
    one, again, other = (market(**summer, **more).tables for more in ({}, {"underreaction": 0, "volatility_wave": 0}, {"seed": 8}))
    for name in ("statements", "dividends"):
        assert_frame_equal(one[name], again[name], check_exact=True)
        assert not one[name].equals(other[name])
