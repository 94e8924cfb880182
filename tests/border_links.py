"""Sound tables that link the stocks of `border_market`; every case breaks one thing of them."""

from datetime import UTC, date, datetime

import polars as pl

from tests.border_market import STOCKS

A, B, C = STOCKS


def moments(*times: datetime) -> pl.Series:
    """A column of moments in UTC."""
    return pl.Series(times, dtype=pl.Datetime("us", "UTC"))


def mentions() -> pl.DataFrame:
    """Three articles: one of two names, one of three, one of one."""
    first, second = datetime(2024, 1, 3, 9, tzinfo=UTC), datetime(2024, 1, 4, 15, 30, tzinfo=UTC)
    return pl.DataFrame(
        {
            "article": ["n1", "n1", "n2", "n2", "n2", "n3"],
            "asset": [A, B, A, B, C, C],
            "published_at": moments(*[first] * 2, *[second] * 3, datetime(2024, 1, 8, tzinfo=UTC)),
            "source": ["wire", "wire", None, None, None, "paper"],
            "kind": ["news", "news", "news", "news", "news", "tender"],
        }
    )


def supply_edges() -> pl.DataFrame:
    """Three inputs between the lines of `taxonomy`."""
    return pl.DataFrame(
        {
            "supplier_product": ["a1", "a2", "b1"],
            "customer_product": ["b1", "b1", "a1"],
            "start_date": [date(2023, 1, 1)] * 3,
            "end_date": [None, date(2023, 1, 2), date(2024, 1, 5)],
            "is_core": [True, False, True],
        }
    )


def disclosed_links() -> pl.DataFrame:
    """Three ordered pairs of two stocks and one back."""
    return pl.DataFrame(
        {
            "supplier": [A, A, B, C],
            "customer": [B, C, A, A],
            "publish_date": [date(2023, 4, 1), date(2023, 4, 1), date(2023, 8, 1), date(2024, 1, 4)],
            "period_end": [date(2022, 12, 31), None, date(2023, 8, 1), date(2023, 12, 31)],
            "amount": [1e6, 0.0, None, 5.0],
            "kind": ["ongoing", "bid", "ongoing", "bid"],
        }
    )


def affiliates() -> pl.DataFrame:
    """A stock, a company and a person as owners."""
    return pl.DataFrame(
        {
            "owner": [A, "0000320193", "person/1"],
            "owned": [B, C, C],
            "start_date": [date(2023, 1, 1), date(2023, 1, 1), date(2024, 1, 4)],
            "end_date": [date(2023, 1, 2), None, date(2024, 1, 9)],
            "stake": [1.0, 1e-6, None],
            "kind": ["ownership", "ownership", "executive"],
        }
    )


def links() -> dict[str, pl.DataFrame]:
    """All four tables."""
    return {"mentions": mentions(), "supply_edges": supply_edges(), "disclosed_links": disclosed_links(), "affiliates": affiliates()}
