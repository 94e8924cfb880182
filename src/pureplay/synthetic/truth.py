"""What no data vendor knows of a market: lasting traits of stocks, true mixes and product shocks."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pureplay.synthetic.firms import Firms
from pureplay.synthetic.mixes import Mixes
from pureplay.synthetic.returns import Shocks
from pureplay.synthetic.tree import Tree

__all__ = ["market_truth"]


def market_truth(tree: Tree, firms: Firms, mixes: Mixes, shocks: Shocks, days: NDArray[np.datetime64]) -> dict[str, pl.DataFrame]:
    """Frames `stocks`, `mixes` and `shocks` of `SyntheticMarket.truth`."""
    codes = np.array(tree.code)[tree.unit_node]
    main = mixes.main_unit()[:, -1]
    stocks = pl.DataFrame(
        {
            "asset": firms.asset,
            "issuer": firms.issuer,
            "underreaction": firms.delayed,
            "beta": firms.beta,
            "idiosyncratic_vol": firms.volatility,
            "product": codes[main[firms.issuer]],
        }
    )
    begins = ((mixes.first_year - 1970) * 12 + 6 * np.arange(mixes.halves)).astype("datetime64[M]").astype("datetime64[D]")
    asset, half, slot = np.nonzero(mixes.share[firms.issuer] > 0)
    issuer = firms.issuer[asset]
    long = pl.DataFrame(
        {
            "asset": np.array(firms.asset)[asset],
            "start_date": begins[half],
            "product": codes[mixes.unit[issuer, half, slot]],
            "share": mixes.share[issuer, half, slot],
        }
    )
    shares = long.with_columns(pl.col("start_date").cast(pl.Date)).group_by("asset", "start_date", "product", maintain_order=True).sum()
    frame = pl.DataFrame(
        {
            "date": np.repeat(days, codes.size),
            "product": np.tile(codes, days.size),
            "shock": shocks.product.reshape(-1),
        }
    ).with_columns(pl.col("date").cast(pl.Date))
    return {"stocks": stocks, "mixes": shares, "shocks": frame}
