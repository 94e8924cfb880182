"""The planted market as a whole: in memory, or straight to Parquet in blocks."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pureplay.errors import SettingError
from pureplay.synthetic.accounts import draw_accounts
from pureplay.synthetic.bars import BarMaker, FactorMaker
from pureplay.synthetic.comovement import Comovement
from pureplay.synthetic.dividends import dividend_table
from pureplay.synthetic.filings import draw_reports, filing_tables
from pureplay.synthetic.firms import Firms, assets_table, draw_firms
from pureplay.synthetic.indices import IndexTally
from pureplay.synthetic.industries import industry_table
from pureplay.synthetic.links import draw_disclosed, draw_edges, draw_stakes, link_tables
from pureplay.synthetic.mixes import Mixes, draw_mixes
from pureplay.synthetic.news import mentions_table
from pureplay.synthetic.planted import Lit, chain_pairs, in_force_members, light, split_months
from pureplay.synthetic.returns import Closes, Shocks, Simulation, draw_shocks
from pureplay.synthetic.settings import CHUNK, FloatArray, Settings, grow_seeds, last_sessions
from pureplay.synthetic.statements import statement_table
from pureplay.synthetic.tree import Tree, grow_tree, taxonomy_table
from pureplay.synthetic.truth import market_truth

__all__ = ["SyntheticMarket", "market", "write_market"]

DEFAULT_END: Final = date(2025, 12, 31)
BIG: Final = ("bars", "factors")
ROWS_A_GROUP: Final = 400_000
Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticMarket:
    """A planted market.

    tables: canonical tables by name. settings: `market(**settings)` gives the same market again.
    truth: what no data vendor knows: `stocks` (asset, issuer, underreaction, beta, idiosyncratic_vol, product), `mixes`
    (asset, start_date of the half-year, product, share) and `shocks` (date, product, shock); with `links` also `links` (a, b, start_date,
    end_date, lamp: runs of whole months in which a pair is linked; end_date is the first day after the run, null where it reaches the
    end) and `planted` (lamp, start_date, end_date, correlation, population, factor: what each link adds to the correlation of returns as
    measured over 60 sessions and in truth, both after multiplication with `links` and with the factor by which all were shrunk to keep the
    matrix positive definite).
    """

    tables: dict[str, pl.DataFrame]
    settings: dict[str, object]
    truth: dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Everything drawn before the first session."""

    settings: Settings
    days: NDArray[np.datetime64]
    tree: Tree
    firms: Firms
    mixes: Mixes
    shocks: Shocks
    tables: dict[str, pl.DataFrame]
    tally: IndexTally = field(repr=False)
    lit: Lit | None = field(repr=False)
    comovement: Comovement | None = field(repr=False)

    def planted_truth(self) -> dict[str, pl.DataFrame]:
        """Linked pairs and planted amounts; nothing in a market without links."""
        if self.lit is None or self.comovement is None:
            return {}
        return {"links": self.lit.runs(self.firms, self.days), "planted": self.comovement.planted()}


def market(
    *,
    stocks: int = 1000,
    sessions: int = 2430,
    seed: int = 7,
    underreaction: float = 0.5,
    end: date = DEFAULT_END,
    products: int | None = None,
    market_vol: float = 0.011,
    product_vol: float = 0.009,
    industry_vol: float = 0.003,
    idiosyncratic_vol: float = 0.02,
    release_sessions: float = 16.0,
    premia: float = 1.0,
    reversal_premium: float = 1.0,
    volatility_premium: float = 1.0,
    volatility_dispersion: float = 0.3,
    volatility_persistence: float = 0.8,
    volatility_wave: float = 0.12,
    industry_switch: bool = False,
    style_vol: float = 1.0,
    frictions: bool = True,
    tail_degrees: float = 5.0,
    links: float | None = None,
    block_sessions: int = 250,
    progress: Progress | None = None,
) -> SyntheticMarket:
    """Generate a market with planted under-reaction to product news, in memory.

    Settings are those of `Settings`; `block_sessions` and `progress(done, total)` change nothing in the result. With
    `underreaction=0` every random number is the same and nothing is delayed: the placebo. Raises SettingError.
    """
    settings = _gather(locals())
    plan = _draw_plan(settings)
    blocks = list(_generate(plan, block_sessions, progress))
    big = {name: _frame(pa.concat_tables([block[name] for block in blocks])) for name in BIG}
    return SyntheticMarket(tables={**big, **_small_tables(plan)}, settings=asdict(settings), truth=_truth(plan))


def write_market(
    folder: Path | str,
    *,
    stocks: int = 1000,
    sessions: int = 2430,
    seed: int = 7,
    underreaction: float = 0.5,
    end: date = DEFAULT_END,
    products: int | None = None,
    market_vol: float = 0.011,
    product_vol: float = 0.009,
    industry_vol: float = 0.003,
    idiosyncratic_vol: float = 0.02,
    release_sessions: float = 16.0,
    premia: float = 1.0,
    reversal_premium: float = 1.0,
    volatility_premium: float = 1.0,
    volatility_dispersion: float = 0.3,
    volatility_persistence: float = 0.8,
    volatility_wave: float = 0.12,
    industry_switch: bool = False,
    style_vol: float = 1.0,
    frictions: bool = True,
    tail_degrees: float = 5.0,
    links: float | None = None,
    block_sessions: int = 250,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Write the tables of `market` as `<folder>/<table>.parquet`, holding two blocks at most; returns the settings.

    The folder is created; tables of the same name are overwritten. No manifest is written.
    """
    settings = _gather(locals())
    plan = _draw_plan(settings)
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    _write_blocks(home, _generate(plan, block_sessions, progress))
    _write_small(home, _small_tables(plan))
    return asdict(settings)


def _gather(given: Mapping[str, Any]) -> Settings:
    """Settings out of a function's parameters; by name, so that none can be left out."""
    return Settings(**{each.name: given[each.name] for each in fields(Settings)})


def _draw_plan(settings: Settings) -> _Plan:
    seeds = grow_seeds(settings.seed)
    days = last_sessions(settings)
    tree = grow_tree(np.random.default_rng(seeds.tree), settings.product_count)
    firms = draw_firms(np.random.default_rng(seeds.firms), settings, days)
    mixes = draw_mixes(np.random.default_rng(seeds.mixes), tree, firms.issuers, days)
    reports = draw_reports(np.random.default_rng(seeds.filings), tree, mixes)
    filings, segments = filing_tables(reports, tree, firms, days)
    accounts = draw_accounts(np.random.default_rng(seeds.statements), tree, firms, mixes, reports, days)
    switch = settings.industry_switch
    industries = industry_table(np.random.default_rng(seeds.industries), tree, firms, mixes, days, switch=switch)
    tables = {
        "assets": assets_table(firms, days),
        "taxonomy": taxonomy_table(tree, mixes.start, mixes.end),
        "filings": filings,
        "segments": segments,
        "industries": industries,
        "statements": statement_table(accounts, firms, days),
        "dividends": dividend_table(np.random.default_rng(seeds.dividends), accounts, firms, days),
    }
    shocks = draw_shocks(np.random.default_rng(seeds.shocks), settings, tree)
    lit = None
    if settings.links is not None:
        linked, lit = _draw_links(settings, days, tree, firms, mixes, filings, segments)
        tables.update(linked)
    return _Plan(
        settings=settings,
        days=days,
        tree=tree,
        firms=firms,
        mixes=mixes,
        shocks=shocks,
        tables=tables,
        tally=IndexTally(firms, days),
        lit=lit,
        comovement=None if lit is None else Comovement(settings, firms, mixes, lit, days),
    )


def _draw_links(
    settings: Settings,
    days: NDArray[np.datetime64],
    tree: Tree,
    firms: Firms,
    mixes: Mixes,
    filings: pl.DataFrame,
    segments: pl.DataFrame,
) -> tuple[dict[str, pl.DataFrame], Lit]:
    """Tables of structure and news, and the pairs that they link."""
    seeds = grow_seeds(settings.seed)
    rng, months = np.random.default_rng(seeds.links), split_months(days)
    members = in_force_members(filings, segments, tree, firms, months.known)
    edges = draw_edges(rng, tree, mixes, days)
    some = (0, len(members) // 2, len(members) - 1)
    chains = [chain_pairs(members[month], edges, months.known[month]) for month in some]
    along = (np.concatenate([each[0] for each in chains]), np.concatenate([each[1] for each in chains]))
    disclosed = draw_disclosed(rng, firms, days, along)
    stakes = draw_stakes(rng, firms, days)
    lit = light(months, members, edges, disclosed, stakes, tree, firms)
    news = mentions_table(np.random.default_rng(seeds.news), lit, tree, firms, days, disclosed)
    return {**link_tables(tree, firms, edges, disclosed, stakes), "mentions": news}, lit


def _generate(plan: _Plan, block_sessions: int, progress: Progress | None) -> Iterator[dict[str, pa.Table]]:
    """Blocks of the big tables in order; whole chunks, so a block holds `block_sessions` rounded up to a multiple of 20."""
    if block_sessions < 1:
        raise SettingError(f"block_sessions must be at least 1; found {block_sessions}: 250 is the default")
    total, firms, days = plan.settings.sessions, plan.firms, plan.days
    simulation = Simulation(plan.settings, firms, plan.mixes, plan.shocks, days, plan.comovement)
    bars, factors = BarMaker(firms, days), FactorMaker(firms, days)
    starts = range(0, total, CHUNK)
    cells = grow_seeds(plan.settings.seed).cells.spawn(len(starts))
    held: dict[str, list[pa.Table]] = {name: [] for name in BIG}
    for first, cell in zip(starts, cells, strict=True):
        rng = np.random.default_rng(cell)
        closes = simulation.advance(rng, first, min(CHUNK, total - first))
        ret = _returns(closes)
        plan.tally.add(closes, ret)
        held["bars"].append(bars.make(rng, closes, ret))
        held["factors"].append(factors.make(closes, ret))
        done = min(first + CHUNK, total)
        if progress is not None:
            progress(done, total)
        if len(held["bars"]) * CHUNK >= block_sessions or done == total:
            yield {name: pa.concat_tables(parts) for name, parts in held.items()}
            held = {name: [] for name in BIG}


def _returns(closes: Closes) -> FloatArray:
    """Simple returns since the previous traded close; NaN without a bar, and on the first bar after listing."""
    return np.where(closes.traded & closes.opened, closes.close / closes.previous - 1, np.nan)


def _write_blocks(home: Path, blocks: Iterator[dict[str, pa.Table]]) -> None:
    """Write each block in a thread of its own while the next one is generated; never more than one waits."""
    writers: dict[str, pq.ParquetWriter] = {}
    waiting: Future[None] | None = None
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            for block in blocks:
                if waiting is not None:
                    waiting.result()
                for name in BIG if not writers else ():
                    writers[name] = _open_writer(home / f"{name}.parquet", block[name].schema)
                waiting = thread.submit(_write_block, writers, block)
            if waiting is not None:
                waiting.result()
        finally:
            thread.shutdown(wait=True)
            for writer in writers.values():
                writer.close()


def _open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    # Without the Arrow schema in the file, the dictionary-encoded asset is read back as plain text, which the contract wants.
    return pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, use_dictionary=["date", "asset"], store_schema=False)


def _write_block(writers: dict[str, pq.ParquetWriter], block: dict[str, pa.Table]) -> None:
    for name, writer in writers.items():
        writer.write_table(block[name], row_group_size=ROWS_A_GROUP)


def _write_small(home: Path, tables: dict[str, pl.DataFrame]) -> None:
    for name, table in tables.items():
        table.write_parquet(home / f"{name}.parquet", compression="zstd", compression_level=1)


def _small_tables(plan: _Plan) -> dict[str, pl.DataFrame]:
    return {**plan.tables, "index_members": plan.tally.members(), "benchmarks": plan.tally.benchmarks()}


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("an Arrow table became a polars series")
    return frame.with_columns(pl.col("asset").cast(pl.String)).rechunk()


def _truth(plan: _Plan) -> dict[str, pl.DataFrame]:
    return {**market_truth(plan.tree, plan.firms, plan.mixes, plan.shocks, plan.days), **plan.planted_truth()}
