"""The fundamental factors of one stock on one day from the raw rows, in plain Python, as METHODS §4 tells them: filter, then compute."""

import calendar
from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

NAN = float("nan")
Rows = list[dict]  # type: ignore[type-arg]
Period = tuple[int, int]


def months_before(day: date, months: int) -> date:
    """The day some calendar months earlier, the last of the month where there is no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


class Known:
    """What is public of one stock on day t."""

    def __init__(self, rows: Rows, t: date, *, buffer_days: int = 0, stale_months: int | None = 18, min_years: int = 3) -> None:
        self.t, self.stale_months, self.min_years = t, stale_months, min_years
        seen = [row for row in rows if row["publish_date"] + timedelta(days=buffer_days) <= t]
        self.table: dict[str, dict[Period, float]] = {}
        for row in sorted(seen, key=lambda row: (row["publish_date"], row["revision"])):
            self.table.setdefault(row["item"], {})[row["period_end"].year, row["period_end"].month] = row["value"]

    def at(self, item: str, period: Period) -> float:
        return self.table.get(item, {}).get(period, NAN)

    def periods(self, item: str) -> list[Period]:
        return sorted(self.table.get(item, {}), reverse=True)

    def fresh(self, period: Period) -> bool:
        end = date(*period, calendar.monthrange(*period)[1])
        return self.stale_months is None or end >= months_before(self.t, self.stale_months)

    def newest(self, periods: list[Period], value: Callable[[Period], float]) -> float:
        """Value at the latest period that has one, if that period is not too old."""
        for period in periods:
            if not np.isnan(value(period)):
                return value(period) if self.fresh(period) else NAN
        return NAN

    def ttm_at(self, item: str, period: Period) -> float:
        year, month = period
        if month == 12:
            return self.at(item, period)
        return self.at(item, period) + self.at(item, (year - 1, 12)) - self.at(item, (year - 1, month))

    def ttm(self, item: str) -> float:
        return self.newest(self.periods(item), lambda period: self.ttm_at(item, period))

    def balance(self, item: str, years_back: int = 0) -> float:
        periods = self.periods(item)
        if not periods or not self.fresh(periods[0]):
            return NAN
        return self.at(item, (periods[0][0] - years_back, periods[0][1]))

    def preferred(self) -> float:
        """Of the period of long-term debt, 0 where it is not reported."""
        period = self.periods("long_term_debt")[0]
        return self.table.get("preferred_equity", {}).get(period, 0.0)

    def long_term(self) -> float:
        debt = self.balance("long_term_debt")
        return NAN if np.isnan(debt) else debt + self.preferred()

    def gross(self) -> float:
        return self.newest(self.periods("revenue"), lambda period: self.ttm_at("revenue", period) - self.ttm_at("cost_of_sales", period))

    def turnover_change(self) -> float:
        def mean_assets(year: int, month: int) -> float:
            return (self.at("total_assets", (year, month)) + self.at("total_assets", (year - 1, month))) / 2

        for year, month in self.periods("revenue"):
            sales, sales_before = self.ttm_at("revenue", (year, month)), self.ttm_at("revenue", (year - 1, month))
            assets, assets_before = mean_assets(year, month), mean_assets(year - 1, month)
            if np.isnan([sales, sales_before, assets, assets_before]).any():
                continue
            if assets <= 0 or assets_before <= 0 or not self.fresh((year, month)):
                return NAN
            return sales / assets - sales_before / assets_before
        return NAN

    def growth(self, item: str) -> float:
        years = [year for year, month in self.periods(item) if month == 12]
        if not years or not self.fresh((years[0], 12)):
            return NAN
        points = []
        for year in range(years[0] - 4, years[0] + 1):
            shares = [self.at("shares", period) for period in self.periods("shares") if period <= (year, 12)]
            if not np.isnan(self.at(item, (year, 12))) and shares:
                points.append((year, self.at(item, (year, 12)) / shares[0]))
        if len(points) < self.min_years:
            return NAN
        slope = np.polyfit([year - years[0] for year, _ in points], [x for _, x in points], 1)[0]
        size = np.mean([abs(x) for _, x in points])
        return float(slope / size) if size > 0 else NAN


def ratio(above: float, below: float) -> float:
    return above / below if below > 0 else NAN


def factors(known: Known, cap: float) -> dict[str, float]:
    """Every factor but the dividend yield, and the median of the group left out."""
    equity, assets = known.balance("book_equity"), known.balance("total_assets")
    return {
        "btop": equity / cap,
        "cetop": known.ttm("operating_cash_flow") / cap,
        "etop": known.ttm("net_income") / cap,
        "egro": known.growth("net_income"),
        "sgro": known.growth("revenue"),
        "mlev": (cap + known.long_term()) / cap,
        "dtoa": ratio(known.balance("total_debt"), assets),
        "blev": ratio(equity + known.long_term(), equity),
        "roe_ttm": ratio(known.ttm("net_income"), (equity + known.balance("book_equity", 1)) / 2),
        "gpa_ttm": ratio(known.gross(), assets),
        "d_at_yoy": known.turnover_change(),
        "asset_growth": ratio(assets, known.balance("total_assets", 1)) - 1,
    }


def dividend_yield(dividends: pl.DataFrame, asset: str, t: date, close: float | None, cap: float, shares: float) -> float:
    """Cash of the twelve months to t over the price, unknown while the table is younger than that."""
    start = months_before(t, 12)
    if min(dividends["ex_date"]) > start:
        return NAN
    own = dividends.filter(pl.col("asset") == asset)
    cash = sum(row["cash_per_share"] for row in own.to_dicts() if start < row["ex_date"] <= t)
    return cash / (cap / shares if close is None else close)


def by_asset(frame: pl.DataFrame) -> Mapping[str, Rows]:
    """Rows of each stock as dicts."""
    return {str(name): part.to_dicts() for (name,), part in frame.group_by("asset")}
