"""The base of 22 once more, one date and one stock at a time, from METHODS §4 and the tables; slow and plain on purpose.

Prices are read straight from the bars, statements are filtered by publish date for every stock and day. Nothing of pureplay is used but
the calendar of sessions that the caller passes.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

NAN = float("nan")
Values = dict[str, dict[str, float]]  # factor -> asset -> value
ORDER = (
    *("size", "nlsize", "beta", "nlbeta", "momentum", "resvol", "liquidity", "btop", "earnyld", "divyld", "growth", "leverage"),
    *("strev_20", "ivol_20", "max_20", "dbeta_252", "abturn_20", "amihud_20", "roe_ttm", "gpa_ttm", "d_at_yoy", "asset_growth"),
)
SUMS: dict[str, dict[str, float]] = {
    "resvol": {"dastd": 0.74, "cmra": 0.16, "hsigma": 0.10},
    "liquidity": {"stom": 0.35, "stoq": 0.35, "stoa": 0.30},
    "earnyld": {"cetop": 0.656, "etop": 0.344},
    "growth": {"egro": 0.338, "sgro": 0.662},
    "leverage": {"mlev": 0.38, "dtoa": 0.35, "blev": 0.27},
}


class NaiveBase:
    """Tables as pandas pivots: one row a session, one column a stock."""

    def __init__(self, tables: Mapping[str, pl.DataFrame], sessions: list[date]) -> None:
        bars = tables["bars"].to_pandas()
        bars["date"] = pd.to_datetime(bars["date"])
        self.days = pd.to_datetime(pd.Series(sessions))
        traded = (bars["volume"] > 0) | (bars["volume"].isna() & bars["ret"].notna())
        self.assets = sorted(bars["asset"].unique())
        bars = bars[traded]
        wide = {name: self._wide(bars, name) for name in ("ret", "total_cap", "float_cap", "volume", "close", "amount")}
        self.traded = self._wide(bars.assign(one=1.0), "one").notna().to_numpy()
        self.ret, self.cap = wide["ret"].to_numpy(), wide["total_cap"].to_numpy()
        floats = wide["float_cap"].fillna(wide["total_cap"])
        self.turnover = (wide["volume"] * wide["close"]).fillna(wide["amount"]).div(floats).to_numpy(copy=True)
        self.turnover[np.isnan(self.cap) & wide["float_cap"].isna().to_numpy()] = NAN
        self.amount = wide["amount"].fillna(wide["volume"] * wide["close"]).to_numpy()
        self.close = wide["close"].to_numpy()
        self.statements = tables["statements"].to_pandas() if "statements" in tables else None
        self.dividends = tables["dividends"].to_pandas() if "dividends" in tables else None
        self.industries = tables["industries"].to_pandas() if "industries" in tables else None
        for frame in (self.statements, self.dividends, self.industries):
            for column in () if frame is None else ("period_end", "publish_date", "ex_date", "start_date", "end_date"):
                if column in frame.columns:
                    frame[column] = pd.to_datetime(frame[column])
        self.market = np.full(len(self.days), NAN)
        for t in range(1, len(self.days)):
            both = np.isfinite(self.cap[t - 1]) & np.isfinite(self.ret[t])
            if both.any():
                self.market[t] = (self.cap[t - 1] * self.ret[t])[both].sum() / self.cap[t - 1][both].sum()

    def _wide(self, bars: pd.DataFrame, name: str) -> pd.DataFrame:
        return bars.pivot(index="date", columns="asset", values=name).reindex(index=self.days, columns=self.assets).astype(float)

    # ------------------------------------------------------------ raw, one stock

    def prices(self, t: int, a: int) -> dict[str, float]:
        """Raw price factors of a stock on a session."""
        r, m, turn = self.ret[: t + 1, a], self.market[: t + 1], self.turnover[: t + 1, a]
        out = {"size": np.log(self.cap[t, a])}
        out["beta"], out["hsigma"] = _line(r[-252:], m[-252:], half_life=63, least=126)
        out["momentum"] = _momentum(r)
        known = np.isfinite(r[-252:])
        if known.sum() >= 126:
            w = _decay(len(r[-252:]), 42)[known]
            x = r[-252:][known]
            out["dastd"] = np.sqrt(np.average((x - np.average(x, weights=w)) ** 2, weights=w))
            sums = [np.nansum(np.log1p(r[max(0, t + 1 - 21 * k) :])) for k in range(1, 13)]
            out["cmra"] = max(sums) - min(sums)
        for name, window in (("stom", 21), ("stoq", 63), ("stoa", 252)):
            x = turn[-window:]
            if np.isfinite(x).sum() >= window / 2 and np.nanmean(x) > 0:
                out[name] = np.log(21 * np.nanmean(x))
        x = r[-20:][np.isfinite(r[-20:])]
        if x.size >= 15:
            out["strev_20"] = -np.log1p(x).sum()
            out["max_20"] = np.sort(x)[-3:].mean()
        out["ivol_20"] = _line(r[-20:], m[-20:], half_life=None, least=15, freedom=2)[1]
        mw = m[-252:]
        down = mw < np.nanmean(mw) if np.isfinite(mw).any() else np.zeros(mw.size, dtype=bool)
        out["dbeta_252"] = _line(np.where(down, r[-252:], NAN), mw, half_life=None, least=63)[0]
        short, long = turn[-20:], turn[-250:]
        if np.isfinite(short).sum() >= 15 and np.isfinite(long).sum() >= 125:
            out["abturn_20"] = np.log(np.nanmean(short) / np.nanmean(long))
        rate = [abs(x) / y for x, y in zip(r[-20:], self.amount[max(0, t - 19) : t + 1, a], strict=True) if np.isfinite(x) and y > 0]
        if len(rate) >= 15 and np.mean(rate) > 0:
            out["amihud_20"] = np.log(np.mean(rate))
        return out

    def fundamentals(self, t: int, a: int) -> dict[str, float]:
        """Raw fundamental factors of a stock on a session; `wants_median` says that gpa_ttm is that of its industry."""
        day, cap = self.days[t], self.cap[t, a]
        rows = self.statements[(self.statements["asset"] == self.assets[a]) & (self.statements["publish_date"] <= day)]
        rows = rows.sort_values(["publish_date", "revision"]).drop_duplicates(["item", "period_end"], keep="last")
        item: dict[str, dict[int, float]] = {}
        for row in rows.itertuples():
            item.setdefault(row.item, {})[row.period_end.year * 12 + row.period_end.month] = row.value
        now = day.year * 12 + day.month

        def fresh(month: int) -> bool:
            return now <= month + 18

        def standing(name: str) -> tuple[float, int]:
            held = item.get(name, {})
            latest = max(held, default=0)
            return (held[latest], latest) if held and fresh(latest) else (NAN, 0)

        def ttm(name: str, month: int) -> float:
            held = item.get(name, {})
            into = (month - 1) % 12 + 1
            get = lambda at: held.get(at, NAN)  # noqa: E731
            return get(month) if into == 12 else get(month) + get(month - into) - get(month - 12)

        def latest(*figures: Any) -> int:
            months = sorted({month for held in item.values() for month in held}, reverse=True)
            found = next((month for month in months if all(np.isfinite(each(month)) for each in figures)), 0)
            return found if found and fresh(found) else 0

        def flow(name: str) -> float:
            month = latest(lambda at: ttm(name, at))
            return ttm(name, month) if month else NAN

        equity, equity_at = standing("book_equity")
        assets, assets_at = standing("total_assets")
        debt = standing("total_debt")[0]
        long_term, long_at = standing("long_term_debt")
        long_term += item.get("preferred_equity", {}).get(long_at, 0.0)
        out = {"btop": equity / cap, "cetop": flow("operating_cash_flow") / cap, "etop": flow("net_income") / cap}
        out |= {"mlev": (cap + long_term) / cap, "dtoa": debt / assets if assets > 0 else NAN}
        out["blev"] = (equity + long_term) / equity if equity > 0 else NAN
        mean_equity = (equity + item.get("book_equity", {}).get(equity_at - 12, NAN)) / 2
        out["roe_ttm"] = flow("net_income") / mean_equity if mean_equity > 0 else NAN
        before = item.get("total_assets", {}).get(assets_at - 12, NAN)
        out["asset_growth"] = assets / before - 1 if before > 0 else NAN
        at = latest(lambda month: ttm("revenue", month), lambda month: ttm("cost_of_sales", month))
        gross = ttm("revenue", at) - ttm("cost_of_sales", at) if at else NAN
        out["gpa_ttm"] = gross / assets if assets > 0 else NAN
        out["wants_median"] = float(assets > 0 and np.isfinite(flow("revenue")) and not np.isfinite(flow("cost_of_sales")))

        def mean_assets(month: int) -> float:
            held = item.get("total_assets", {})
            return (held.get(month, NAN) + held.get(month - 12, NAN)) / 2

        at = latest(
            *(lambda month, back=back: ttm("revenue", month - back) for back in (0, 12)),
            *(lambda month, back=back: mean_assets(month - back) for back in (0, 12)),
        )
        if at and mean_assets(at) > 0 and mean_assets(at - 12) > 0:
            out["d_at_yoy"] = ttm("revenue", at) / mean_assets(at) - ttm("revenue", at - 12) / mean_assets(at - 12)
        for name, of in (("egro", "net_income"), ("sgro", "revenue")):
            out[name] = _growth(item.get(of, {}), item.get("shares", {}), fresh)
        if self.dividends is not None:
            start = day - pd.DateOffset(months=12)
            if self.dividends["ex_date"].min() <= start:
                own = self.dividends[(self.dividends["asset"] == self.assets[a]) & (self.dividends["ex_date"] <= day)]
                price = self.close[t, a] if np.isfinite(self.close[t, a]) else cap / standing("shares")[0]
                out["divyld"] = own[own["ex_date"] > start]["cash_per_share"].sum() / price
        return out

    # ------------------------------------------------------------ one date, all stocks

    def industry(self, t: int, scheme: str) -> dict[int, str]:
        """Label of each stock on a session."""
        day, table = self.days[t], self.industries
        held = table[(table["scheme"] == scheme) & (table["start_date"] <= day) & ~(table["end_date"] <= day)].sort_values("start_date")
        return {self.assets.index(row.asset): row.code for row in held.itertuples()}

    def on(self, t: int, *, scheme: str | None, sd: float | None = 3.0, fill: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
        """Standardised columns of one session, name -> values by stock, and which of them were filled; a column out of force is NaN."""
        names = [a for a in range(len(self.assets)) if self.traded[t, a]]
        labels = self.industry(t, scheme) if scheme else {}
        raw = {a: self.prices(t, a) for a in names}
        filled: dict[str, Any] = {name: np.zeros(len(self.assets), dtype=bool) for name in ORDER}
        if self.statements is not None:
            for a in names:
                raw[a] |= self.fundamentals(t, a)
            filled["gpa_ttm"] = self._medians(raw, labels)
        block = {key: np.array([raw.get(a, {}).get(key, NAN) for a in range(len(self.assets))]) for key in {k for a in raw for k in raw[a]}}
        scale = lambda x: scaled(x, self.cap[t], sd)  # noqa: E731
        out: dict[str, Any] = {}
        for name in sorted(ORDER, key=lambda each: each not in ("size", "beta")):  # size and beta first
            if name in SUMS:
                x = weighted_sum({part: scale(block.get(part, np.full(len(self.assets), NAN))) for part in SUMS[name]}, SUMS[name])
            elif name in ("nlsize", "nlbeta"):
                x = out[name[2:]] ** 3
            else:
                x = block.get(name, np.full(len(self.assets), NAN))
            against = {"nlsize": ["size"], "nlbeta": ["beta"], "resvol": ["beta", "size"], "liquidity": ["size"]}.get(name, [])
            if against:
                x = x - fitted(x, [np.ones(x.size), *(out[each] for each in against)], self.cap[t])
            x = scale(x)
            out[name] = x if 2 * np.isfinite(x).sum() >= len(names) else np.full(x.size, NAN)
        for name in ORDER if fill else ():
            filled[name] = self._fill(out, name, names, labels, self.cap[t]) | (filled[name] & np.isfinite(out[name]))
        return out, filled

    def _medians(self, raw: dict[int, dict[str, float]], labels: dict[int, str]) -> Any:
        own = {a: raw[a]["gpa_ttm"] for a in raw}
        filled = np.zeros(len(self.assets), dtype=bool)
        for a in raw:
            peers = [own[b] for b in raw if labels.get(b) == labels.get(a, "none") and np.isfinite(own[b])]
            if raw[a]["wants_median"] and len(peers) >= 3:
                raw[a]["gpa_ttm"], filled[a] = float(np.median(peers)), True
        return filled

    def _fill(self, out: dict[str, Any], name: str, names: list[int], labels: dict[int, str], cap: Any) -> Any:
        x, size = out[name], out["size"]
        missing = [a for a in names if np.isnan(x[a]) and np.isfinite(size[a])]
        done = np.zeros(x.size, dtype=bool)
        if name == "size" or not missing or not np.isfinite(x).any():
            return done
        fit = [a for a in names if np.isfinite(x[a]) and np.isfinite(size[a]) and (a in labels or not labels)]
        codes = sorted({labels[a] for a in fit}) if labels else ["all"]
        label = [labels.get(a) if labels else "all" for a in range(x.size)]
        if len(fit) <= len(codes) + 1:
            codes, label, fit = ["all"], ["all"] * x.size, [a for a in names if np.isfinite(x[a]) and np.isfinite(size[a])]
        dummies = np.array([[float(label[a] == code) for code in codes] for a in fit])
        root = cap[fit] ** 0.25
        beta = np.linalg.lstsq(np.column_stack([dummies, size[fit]]) * root[:, None], x[fit] * root, rcond=None)[0]
        mean = np.average(beta[:-1], weights=[np.sqrt(cap[[a for a in fit if label[a] == code]]).sum() for code in codes])
        values = x.copy()
        for a in missing:
            values[a] = (beta[codes.index(label[a])] if label[a] in codes else mean) + beta[-1] * size[a]
            done[a] = True
        out[name] = values
        return done


def _decay(n: int, half_life: float | None) -> Any:
    return np.ones(n) if half_life is None else 0.5 ** (np.arange(n)[::-1] / half_life)


def _line(r: Any, m: Any, *, half_life: float | None, least: int, freedom: int | None = None) -> tuple[float, float]:
    """Slope and residual sd of the regression of r on m."""
    both = np.isfinite(r) & np.isfinite(m)
    if both.sum() < least:
        return NAN, NAN
    w = _decay(r.size, half_life)[both]
    x = np.column_stack([np.ones(int(both.sum())), m[both]]) * np.sqrt(w)[:, None]
    y = r[both] * np.sqrt(w)
    coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
    rest = ((y - x @ coefficients) ** 2).sum()
    return coefficients[1], np.sqrt(rest / (w.sum() if freedom is None else both.sum() - freedom))


def _momentum(r: Any) -> float:
    x = r[: r.size - 21][-504:]
    known = np.isfinite(x)
    if known.sum() < 252:
        return NAN
    return float((_decay(x.size, 126)[known] * np.log1p(x[known])).sum())


def _growth(held: dict[int, float], shares: dict[int, float], fresh: Any) -> float:
    """Slope over the mean absolute value of the figure per share in the last five fiscal years."""
    annual = [month for month in held if month % 12 == 0]
    last = max(annual, default=0)
    if not last or not fresh(last):
        return NAN
    years, values = [], []
    for back in range(5):
        month = last - 12 * back
        issued = [at for at in shares if at <= month and np.isfinite(shares[at])]
        if month in held and issued and shares[max(issued)] > 0:
            years.append(-back)
            values.append(held[month] / shares[max(issued)])
    if len(values) < 3 or np.mean(np.abs(values)) == 0:
        return NAN
    return float(np.polyfit(years, values, 1)[0] / np.mean(np.abs(values)))


def scaled(x: Any, cap: Any, sd: float | None) -> Any:
    """Winsorised at 3 sds, cap-weighted mean 0, equal-weighted sd 1."""
    known = np.isfinite(x)
    if not known.any():
        return np.full(x.size, NAN)
    mean, spread = x[known].mean(), x[known].std()
    clipped = x if sd is None else np.clip(x, mean - sd * spread, mean + sd * spread)
    weigh = known & (cap > 0)
    if not weigh.any() or np.ptp(clipped[known]) == 0:
        return np.full(x.size, NAN)
    return (clipped - np.average(clipped[weigh], weights=cap[weigh])) / clipped[known].std()


def weighted_sum(parts: dict[str, Any], weights: dict[str, float]) -> Any:
    """Sum over the parts that are there, with weights rescaled; at least half of the weight."""
    block = np.array([parts[name] for name in weights])
    mass = np.array(list(weights.values()))[:, None] * np.isfinite(block)
    total = mass.sum(axis=0)
    return np.where(total >= 0.5, (mass * np.nan_to_num(block)).sum(axis=0) / np.where(total > 0, total, 1), NAN)


def fitted(y: Any, columns: list[Any], cap: Any) -> Any:
    """Fit of the regression weighted by the root of the cap, NaN where it cannot be had."""
    x = np.column_stack(columns)
    use = np.isfinite(y) & np.isfinite(x).all(axis=1) & (cap > 0)
    if use.sum() < x.shape[1] + 1:
        return np.full(y.size, NAN)
    root = cap[use] ** 0.25
    coefficients = np.linalg.lstsq(x[use] * root[:, None], y[use] * root, rcond=None)[0]
    return np.where(use, x @ coefficients, NAN)
