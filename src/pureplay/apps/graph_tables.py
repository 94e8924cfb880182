"""What the commands of the graph print: figures of the pages as terminal tables."""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
from rich.table import Table
from rich.text import Text

from pureplay.graph.stories import Neighbourhood, PairStory
from pureplay.reports import wording
from pureplay.studies.amplification_records import AmplifierStudy
from pureplay.studies.comovement_one import OneHedge
from pureplay.studies.comovement_records import ComovementStudy

__all__ = ["amplifier_tables", "hedge_tables", "pair_tables", "peer_tables", "study_tables"]

_SHOWN: Final = 20
_PUBLISHED: Final = "Forward correlation on trailing correlation and lamps (published: the source, on its own data)"
_FIT: Final = ("sample", "term", "coefficient", "t", "newey_west_t", "dyadic_se", "published", "published_t")
_SCORES: Final = ("sample", "predictor", "mse", "rank_correlation", "mz_slope", "dm_t")
_RETENTION: Final = ("sample", "group", "trailing", "forward", "retention", "se", "pairs")
_HEDGE: Final = ("sample", "universe", "arm", "variance_cut", "median_cut", "beats_industry", "turnover", "stock_months")


def study_tables(study: ComovementStudy) -> list[Table | str]:
    """The regression beside the published one, scores, retention, hedges, and what a reader should know."""
    out: list[Table | str] = [f"{wording.SYNTHETIC}."] if study.synthetic else []
    out.append(_lockbox(study))
    fit = study.fama_macbeth
    if fit.width:
        out.append(_table(_PUBLISHED, fit.filter(pl.col("variant") == "plain"), _FIT))
    out.append(_table("Forecasts (dm_t: above 0 = better than a + b trailing)", study.scores, _SCORES))
    if study.retention.width:
        out.append(_table("Retention, matched on trailing correlation", study.retention.filter(pl.col("bin").is_null()), _RETENTION))
    if study.hedge.width:
        names = study.settings["study"]["hedge_names"]
        out.append(_table(f"Hedges with {names} names", study.hedge.filter(pl.col("names") == names), _HEDGE))
    out.append(_table("Bids, the negative control", study.bids, ("sample", "coefficient", "t", "p", "verdict")))
    out += [f"not computed: {part}: {reason}" for part, reason in study.refused.iter_rows()]
    out += [f"note: {each}" for each in study.notes]
    return [each for each in out if not isinstance(each, Table) or each.row_count]


def hedge_tables(made: OneHedge) -> list[Table | str]:
    """Ratios and baskets by arm."""
    head = f"{made.asset} on {made.date}: sell `ratio` of an equal-weight basket for each unit held; variance_cut is hindsight"
    arms = made.figures["arm"].to_list()
    return [
        _table(head, made.figures, made.figures.columns),
        *(_table(f"Basket: {arm}", made.baskets.filter(pl.col("arm") == arm).drop("arm"), made.baskets.columns[1:]) for arm in arms),
    ]


def pair_tables(made: PairStory) -> list[Table | str]:
    """Correlations, lamps with evidence, the first articles."""
    state = "confirmed" if made.confirmed else "dark" if made.dark else "neither confirmed nor dark"
    facts = pl.DataFrame(
        {
            "trailing_corr": [made.trailing_corr],
            "expected_fwd_corr": [made.expected_fwd_corr],
            "forward_corr (hindsight)": [made.forward_corr],
            "articles": [made.comention_strength],
        },
        schema_overrides=dict.fromkeys(("trailing_corr", "expected_fwd_corr", "forward_corr (hindsight)", "articles"), pl.Float64),
    )
    out = [
        _table(f"{made.a} and {made.b} on {made.date}: {state}", facts, facts.columns),
        _table("Lamps", made.evidence, made.evidence.columns),
        _table(f"Articles: {made.articles.height}", made.articles.head(_SHOWN), made.articles.columns),
    ]
    return [each for each in out if each.row_count]


def peer_tables(made: Neighbourhood) -> list[Table | str]:
    """The first peers in rank order."""
    columns = ("rank", "peer", "name", "expected_fwd_corr", "trailing_corr", "comention_strength", "peer_depth", "confirmed", "dark")
    return [_table(f"{made.asset} on {made.date}: {made.peers.height} peers", made.peers.head(_SHOWN), columns)]


def amplifier_tables(made: AmplifierStudy) -> list[Table | str]:
    """Verdicts by relation and horizon, and the spread over configurations."""
    out: list[Table | str] = [f"{wording.SYNTHETIC}."] if made.synthetic else []
    out.append(_table("Mean gain of ICIR over the factors, beside rewired graphs", made.verdicts, made.verdicts.columns))
    out.append(_table("Gain over random factor-base configurations", made.spread, made.spread.columns))
    out.append(str(made.published.get("said", "")))
    out += [f"note: {each}" for each in made.notes]
    return [each for each in out if each and (not isinstance(each, Table) or each.row_count)]


def _lockbox(study: ComovementStudy) -> str:
    start = study.holdout_start or "not set"
    if not study.opened:
        return f"develop figures; the holdout (from {start}) is shut: --open-holdout --asked-by NAME opens it and records that"
    times = "once" if study.opened == 1 else f"{study.opened} times"
    return f"the holdout (from {start}) of these data has been opened {times}, this one included"


def _table(title: str, frame: pl.DataFrame, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    known = [each for each in columns if each in frame.columns]
    for each in known:
        table.add_column(each, justify="right" if frame.schema[each].is_numeric() else "left")
    for row in frame.select(known).iter_rows():
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
