"""What is told about one pair and about one stock with its peers: plain frames and figures, as known on the day of the vintage."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from pureplay.graph.settings import Measure, Returns

__all__ = ["ARTICLES", "DAILY", "EVIDENCE", "LINKS", "PEERS", "SHUT", "Neighbourhood", "PairStory"]

_DayTime: Final = pl.Datetime("us", "UTC")
_LAMPS: Final = ("lamp_product_peer", "lamp_deep_peer", "lamp_sam_chain", "lamp_disclosed", "lamp_affiliate")


def _schema(**columns: pl.DataType) -> pl.Schema:
    return pl.Schema(columns)


_TEXT, _WHOLE, _NUMBER, _FLAG, _DAY = pl.String(), pl.Int64(), pl.Float64(), pl.Boolean(), pl.Date()

ARTICLES: Final = _schema(article=_TEXT, published_at=_DayTime, source=_TEXT, session=_DAY, names=_WHOLE)
EVIDENCE: Final = _schema(lamp=_TEXT, lit=_FLAG, text=_TEXT, known_since=_DAY)
DAILY: Final = _schema(date=_DAY, window=_TEXT, z_a=_NUMBER, z_b=_NUMBER, ret_a=_NUMBER, ret_b=_NUMBER)
LINKS: Final = _schema(a=_TEXT, b=_TEXT, trailing_corr=_NUMBER, confirmed=_FLAG, dark=_FLAG)
PEERS: Final = pl.Schema(
    {
        **_schema(peer=_TEXT, name=_TEXT, rank=_WHOLE, trailing_corr=_NUMBER, expected_fwd_corr=_NUMBER),
        **_schema(comention_strength=_NUMBER, comention_days=_WHOLE, peer_depth=_WHOLE),
        **dict.fromkeys(_LAMPS, _FLAG),
        **_schema(confirmed=_FLAG, dark=_FLAG, industry=_TEXT),
    }
)


SHUT: Final = "on or after holdout_start: the lock box is shut for single pairs too"
"""Why there is no forward figure at a vintage of the holdout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStory:
    """Everything about one pair at one vintage; a sorts before b.

    date: the vintage, a session. confirmed: a lamp is lit. dark: co-mentioned, none is lit, and both have an entry in the product tree;
    a pair that is not co-mentioned is neither confirmed by news nor dark. mapped: both have that entry.
    comention_strength, comention_days: articles (or their weights) of the last `calendar_days` days and the sessions on which they
    counted, 0 where no article names both; None where the graph is made without news.
    trailing_corr, trailing_overlap: correlation of the `trailing_sessions` sessions up to the vintage and the days that both traded.
    forward_corr, forward_overlap: of the `forward_sessions` sessions after it, None where that window passes the end of the data or, as
    `note` then says, the vintage lies in the holdout. A
    correlation is None where either stock traded on too few days or did not move. expected_fwd_corr: forecast of the model, None without
    one and where its fit has seen the future of the vintage. measure, returns: as in `GraphSettings`. timezone: of the exchange.

    articles: article, published_at (UTC), source, session (on which it counts), names (stocks it names), newest first.
    evidence: lamp, lit, text, known_since (null = undated): one row a fact, one row for a lamp that is off.
    daily: date, window ("trailing" or "forward"), z_a, z_b (the z-scores of which the correlation is made; null where a stock did not
    trade), ret_a, ret_b (returns that they are made of), one row a session of each whole window.
    """

    a: str
    b: str
    name_a: str | None
    name_b: str | None
    date: date
    synthetic: bool
    confirmed: bool
    dark: bool
    mapped: bool
    articles: pl.DataFrame
    evidence: pl.DataFrame
    trailing_corr: float | None
    trailing_overlap: int
    forward_corr: float | None
    forward_overlap: int | None
    expected_fwd_corr: float | None
    daily: pl.DataFrame
    comention_strength: float | None
    comention_days: int | None
    calendar_days: int = 90
    trailing_sessions: int = 90
    forward_sessions: int = 60
    measure: Measure = "shrunk"
    returns: Returns = "raw"
    timezone: str = "Asia/Shanghai"
    note: str = ""

    def contributions(self) -> pl.DataFrame:
        """What each common day adds to the correlation of its window: `daily` with `contribution`, null where either did not trade.

        The product of the two z-scores over the divisor of the measure (the larger of the common days and two thirds of the window;
        "pearson", the common days), so a window's contributions add up to its correlation.
        """
        product = pl.col("z_a") * pl.col("z_b")
        common = product.is_not_null().sum().over("window").cast(pl.Float64)
        least = 0.0 if self.measure == "pearson" else 2.0 / 3.0
        return self.daily.with_columns(contribution=product / pl.max_horizontal(common, pl.len().over("window") * least))


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """One stock with the first of its peers at one vintage.

    peers: peer (code), name, rank (from 1), trailing_corr, expected_fwd_corr, comention_strength, comention_days, peer_depth (null where a
    firm has no entry in the product tree), lamp_product_peer and the four lamps, confirmed, dark, industry (coarsest, null where none):
    in rank order, largest expected correlation first (the trailing one where there is no forecast at all), then confirmed before dark.
    total: how many peers the stock has, shown or not. links: edges of the same vintage among the peers shown: a, b, trailing_corr,
    confirmed, dark. trailing_sessions: of the trailing correlation. has_news: whether pairs come from news, or are all pairs with a lamp.
    """

    asset: str
    name: str | None
    date: date
    synthetic: bool
    total: int
    peers: pl.DataFrame
    links: pl.DataFrame
    trailing_sessions: int = 90
    has_news: bool = True
