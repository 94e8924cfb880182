"""One score taken apart: the filing used, its products, the baskets with their members, and the gaps of the window."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import InsufficientDataError, SettingError
from pureplay.frames import AnyFrame
from pureplay.market import Market, load_market
from pureplay.products.baskets import Family, members_of, stand_in
from pureplay.signals.implied import Peers
from pureplay.signals.momentum import SignalBlocks, product_peers, score_blocks
from pureplay.signals.residual import signal_market
from pureplay.signals.settings import SignalSettings

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a stock has the score it has on a session.

    score: the row of the score table. filing: period_end, publish_date, eff_date and since when it is in use. products: product,
    share, source (products
    or a fallback; null = uncovered), basket (the group whose return is used), n_peers, basket_return, contribution; contributions sum
    to score["implied"]. members: product, asset, weight_base (what the weighting uses, such as the cap of the session before), weight
    (share of the basket without the focal), ret. gaps: date, own, implied, gap, counts; gaps that count sum to score["biz_mom"].
    """

    asset: str
    day: date
    score: dict[str, Any]
    filing: dict[str, Any]
    products: pl.DataFrame
    members: pl.DataFrame
    gaps: pl.DataFrame

    def __str__(self) -> str:
        with pl.Config(tbl_rows=40, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_cols=12, tbl_width_chars=140):
            head = ", ".join(f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}" for key, value in self.score.items())
            known = ", ".join(f"{key} {value}" for key, value in self.filing.items())
            return (
                f"{self.asset} on {self.day}\n{head}\nfiling: {known}\n\nproducts (contributions sum to implied)\n{self.products}\n\n"
                f"basket members (the focal and its issuer's other listings have left)\n{self.members}\n\ngaps of the window\n{self.gaps}"
            )


def explain(
    data: Dataset, asset: str, day: date, settings: SignalSettings | None = None, *, exposures: AnyFrame | None = None
) -> Explanation:
    """Take the score of `asset` on session `day` apart; under construction S every return in the result is a residual one.

    data, exposures: as for `product_momentum`; only what was known on `day` is read. Raises SettingError for an unknown asset or a
    day that is no session, InsufficientDataError where the stock has no usable filing or does not trade on the day.
    """
    chosen = settings or SignalSettings()
    _require_code_and_date(asset, day)
    known = data.as_of(day)
    market = signal_market(known, load_market(known), chosen, exposures)
    t, i = _cell(market, asset, day)
    peers = product_peers(known, market, chosen)
    if not market.traded[t, i]:
        raise InsufficientDataError(f"{asset} does not trade on {day}, so it has no score: choose a day on which it trades")
    if peers.mix.active[t, i] < 0:
        raise InsufficientDataError(f"{asset} has no usable filing on {day}: the first eff_date lies later, or all are stale")
    blocks = score_blocks(market, peers, chosen)
    products, members = _today(market, peers, t, i)
    return Explanation(
        asset=asset,
        day=day,
        score=_row(blocks, t, i),
        filing=_filing(market, peers, t, i),
        products=products,
        members=members,
        gaps=_gaps(market, peers, blocks, chosen, t, i),
    )


def _require_code_and_date(asset: object, day: object) -> None:
    if not (isinstance(asset, str) and isinstance(day, date)) or isinstance(day, datetime):
        raise SettingError(f"explain takes a code and a date such as '600519.SH', date(2022, 6, 30), not {asset!r}, {day!r}")


def _cell(market: Market, asset: str, day: date) -> tuple[int, int]:
    axes = market.axes
    if asset not in axes.assets:
        close = [each for each in axes.assets if asset[:6] in each][:3]
        raise SettingError(f"{asset!r} has no bars up to {day}{f'; is it {close}?' if close else ''}: codes look like {axes.assets[0]}")
    t = int(np.searchsorted(axes.sessions.dates, np.datetime64(day)))
    if t >= len(axes.sessions) or axes.sessions.dates[t] != np.datetime64(day):
        raise SettingError(
            f"{day} is not a session of the data; the last one up to it is {axes.sessions.dates[min(t, len(axes.sessions)) - 1]}"
        )
    return t, axes.assets.index(asset)


def _row(blocks: SignalBlocks, t: int, i: int) -> dict[str, Any]:
    names = ("implied", "biz_mom", "biz_resvol", "biz_mom_z", "biz_resvol_z", "composite", "covered_share", "n_peers")
    return {name: getattr(blocks, name)[t, i].item() for name in names} | {"in_universe": bool(blocks.universe[t, i])}


def _filing(market: Market, peers: Peers, t: int, i: int) -> dict[str, Any]:
    mix, number = peers.mix, int(peers.mix.active[t, i])
    run = mix.active[: t + 1, i] == number
    since = t - int(np.argmin(run[::-1])) + 1 if not run.all() else 0
    dates = {name: str(getattr(mix, name)[number]) for name in ("period_end", "publish_date", "eff_date")}
    return dates | {"in use since": str(market.axes.sessions.dates[since])}


def _today(market: Market, peers: Peers, t: int, i: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    mix, number = peers.mix, int(peers.mix.active[t, i])
    products, members = [], []
    for k in range(mix.offsets[number], mix.offsets[number + 1]):
        group = int(mix.group[k])
        found = _basket(market, peers, t, i, group) if mix.first[group] <= t <= mix.last[group] else None
        row = {"product": mix.groups[group], "share": float(mix.share[k])}
        if found is None:
            products.append({**row, "source": None, "basket": None, "n_peers": 0, "basket_return": None})
            continue
        source, basket, inside, weights, returns = found
        value = float((weights * returns).sum() / weights.sum())
        products.append({**row, "source": source, "basket": basket, "n_peers": inside.size, "basket_return": value})
        members += [
            {"product": row["product"], "asset": market.axes.assets[j], "weight_base": w, "weight": w / weights.sum(), "ret": r}
            for j, w, r in zip(inside, weights, returns, strict=True)
        ]
    schema = {
        "product": pl.String,
        "share": pl.Float64,
        "source": pl.String,
        "basket": pl.String,
        "n_peers": pl.Int64,
        "basket_return": pl.Float64,
    }
    table = pl.DataFrame(products, schema=schema)
    covered = pl.col("share").filter(pl.col("source").is_not_null()).sum()
    table = table.with_columns(
        contribution=pl.when(pl.col("source").is_not_null()).then(pl.col("share") * pl.col("basket_return") / covered)
    )
    held = {"product": pl.String, "asset": pl.String, "weight_base": pl.Float64, "weight": pl.Float64, "ret": pl.Float64}
    return table, pl.DataFrame(members, schema=held).sort("product", "weight", descending=[False, True])


def _basket(market: Market, peers: Peers, t: int, i: int, group: int) -> tuple[str, str, Any, Any, Any] | None:
    """First family that covers the group: its label, the basket's name, members, their weights and returns without the focal."""
    leaving = {i, *peers.issuers.others[peers.issuers.offsets[i] : peers.issuers.offsets[i + 1]].tolist()}
    for label, family, stands_for in zip(peers.labels, peers.families, peers.maps, strict=True):
        basket = stand_in(stands_for, group, int(family[0][t, i]), family[1], family[2])
        if basket < 0:
            continue
        before = members_of(family, t, t, market.returns, basket)
        inside = np.array([j for j in before if not (peers.rules.leave_one_out and j in leaving)], dtype=np.int64)
        counted = inside.size if peers.rules.after_removal else before.size
        if inside.size and counted >= peers.rules.min_peers:
            name = peers.mix.groups[basket] if label != "industry" else f"industry {basket}"
            return label, name, inside, family[6][t - 1, inside], market.returns[t, inside]
    return None


def _frozen(family: Family, t: int) -> Family:
    """The family with the mix and the groups in force of session t on every session."""
    active, offsets, groups, makes, first, last, weights = family
    sessions = active.shape[0]
    holds = (first <= t) & (t <= last)
    always = (np.where(holds, 0, sessions), np.where(holds, sessions, -1))
    return np.repeat(active[t : t + 1], sessions, axis=0), offsets, groups, makes, *always, weights


def _gaps(market: Market, peers: Peers, blocks: SignalBlocks, settings: SignalSettings, t: int, i: int) -> pl.DataFrame:
    window = slice(max(0, t - settings.window_sessions + 1), t + 1)
    implied = blocks.implied[window, i]
    if settings.frozen:
        frozen = replace(peers.mix, active=np.repeat(peers.mix.active[t : t + 1], market.axes.shape[0], axis=0))
        families = tuple(_frozen(each, t) for each in peers.families)
        again = score_blocks(market, replace(peers, mix=frozen, families=families), replace(settings, frozen=False, resvol="ols"))
        implied = again.implied[window, i]
    own = market.returns[window, i]
    counts = market.fresh()[window, i] & np.isfinite(implied) & np.isfinite(own)
    return pl.DataFrame(
        {
            "date": pl.Series(market.axes.sessions.dates[window]).cast(pl.Date),
            "own": pl.Series(own).fill_nan(None),
            "implied": pl.Series(implied).fill_nan(None),
            "gap": pl.Series(implied if settings.momentum == "level" else implied - own).fill_nan(None),
            "counts": counts,
        }
    )
