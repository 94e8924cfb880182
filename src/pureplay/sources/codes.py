"""A-share codes in the spellings of the usual vendors, brought to the form `600519.SH`.

Read: `600519.SH`, `600519.SS`, `600519.XSHG`, `SH600519`, `sh.600519`, `000001.XSHE`, `430047.BJ`, and bare numbers, whose exchange
follows from the number ranges that the exchanges assign to shares: 6 and 900 Shanghai; 0, 2 and 3 Shenzhen; 4, 8 and 92 Beijing.
A stated exchange that contradicts those ranges is not believed: `000300.SH` is an index, not a share. `T00018.SH` stays: so vendors
spell a share whose number was given away after delisting.
"""

from typing import Final

import polars as pl

__all__ = ["normalise_cn"]

_EXCHANGES: Final = {
    "SH": "SH", "SS": "SH", "XSHG": "SH", "SSE": "SH",
    "SZ": "SZ", "XSHE": "SZ", "SZSE": "SZ",
    "BJ": "BJ", "BJSE": "BJ", "BSE": "BJ",
}  # fmt: skip
_LEADING: Final = r"^(SH|SZ|BJ)\.?(\d{6})$"
_TRAILING: Final = r"^(\d{6}|T\d{5})\.([A-Z]{2,4})$"
_BARE: Final = r"^(\d{1,6})$"


def normalise_cn(codes: pl.Series) -> pl.Series:
    """`codes` (text) as `600519.SH`; null where a code cannot be read. Applying it twice changes nothing.

    >>> normalise_cn(pl.Series(["SH600519", "000001.XSHE", "430047", "fund"])).to_list()
    ['600519.SH', '000001.SZ', '430047.BJ', None]
    """
    distinct = codes.drop_nulls().unique()
    if distinct.is_empty():
        return codes.cast(pl.String)
    read = pl.DataFrame({"code": distinct}).select("code", result=_reading(pl.col("code").str.strip_chars().str.to_uppercase()))
    return codes.replace_strict(read["code"], read["result"], default=None, return_dtype=pl.String)


def _reading(text: pl.Expr) -> pl.Expr:
    digits = pl.coalesce(
        text.str.extract(_LEADING, 2),
        text.str.extract(_TRAILING, 1),
        text.str.extract(_BARE, 1).str.zfill(6),
    )
    spelled = pl.coalesce(text.str.extract(_LEADING, 1), text.str.extract(_TRAILING, 2))
    stated = spelled.replace_strict(_EXCHANGES, default=None, return_dtype=pl.String)
    implied = _implied_exchange(digits)
    exchange = pl.when(spelled.is_null()).then(implied).when(implied.is_null() | (implied == stated)).then(stated)
    return digits + "." + exchange


def _implied_exchange(digits: pl.Expr) -> pl.Expr:
    return (
        pl.when(digits.str.contains(r"^(6|900)"))
        .then(pl.lit("SH"))
        .when(digits.str.contains(r"^[023]"))
        .then(pl.lit("SZ"))
        .when(digits.str.contains(r"^([48]|92)"))
        .then(pl.lit("BJ"))
    )
