"""What the commands of the graph print: figures of the pages as terminal tables."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
from rich.table import Table
from rich.text import Text

from pureplay.apps.graph_notes import Beside
from pureplay.graph.stories import Neighbourhood, PairStory
from pureplay.reports import wording
from pureplay.reports.comovement_rows import in_sample
from pureplay.reports.comovement_wording import IN_SAMPLE
from pureplay.studies.amplification_records import AmplifierStudy
from pureplay.studies.comovement_one import OneHedge
from pureplay.studies.comovement_records import ComovementStudy

__all__ = ["amplifier_tables", "hedge_tables", "opening_tables", "pair_tables", "peer_tables", "study_tables"]

_SHOWN: Final = 20
_PUBLISHED: Final = "Forward correlation on trailing correlation and lamps (published: the source, on its own data)"
_FIT: Final = ("sample", "term", "coefficient", "t", "newey_west_t", "dyadic_se", "published", "published_t")
_SCORES: Final = ("sample", "predictor", "mse", "rank_correlation", "mz_slope", "dm_t")
_RETENTION: Final = ("sample", "group", "trailing", "forward", "retention", "se", "pairs")
_HEDGE: Final = ("sample", "universe", "arm", "variance_cut", "median_cut", "beats_industry", "turnover", "stock_months", "dropped")


def study_tables(study: ComovementStudy) -> list[Table | str]:
    """The regression beside the published one, scores, retention, hedges, and what a reader should know."""
    out: list[Table | str] = [f"{wording.SYNTHETIC}."] if study.synthetic else []
    out.append(_lockbox(study))
    out.append(f"{IN_SAMPLE}.")
    fit = study.fama_macbeth
    if fit.width:
        out += _titled(_PUBLISHED, fit.filter(pl.col("variant") == "plain"), _FIT)
    out += _titled("Forecasts (dm_t: above 0 = better than a + b trailing)", _marked(study.scores, "predictor"), _SCORES)
    if study.retention.width:
        out += _titled("Retention, matched on trailing correlation", study.retention.filter(pl.col("bin").is_null()), _RETENTION)
    if study.hedge.width:
        names = study.settings["study"]["hedge_names"]
        out += _titled(f"Hedges with {names} names", _marked(study.hedge.filter(pl.col("names") == names), "arm"), _HEDGE)
    out += _titled("Bids, the negative control", study.bids, ("sample", "coefficient", "t", "p", "verdict"))
    out += [f"not computed: {part}: {reason}" for part, reason in study.refused.iter_rows()]
    out += [f"note: {each}" for each in study.notes]
    return out


def opening_tables(openings: pl.DataFrame, path: Path) -> list[Table | str]:
    """Every opening of a lock box, and how often each holdout was opened."""
    if not openings.height:
        return [f"no opening is recorded in {path}"]
    counts = openings.group_by("lineage", maintain_order=True).agg(
        openings=pl.len(), holdout_from=pl.col("holdout_start").min(), last=pl.col("last").max()
    )
    return [
        *_titled(f"Openings recorded in {path}, times in UTC; first, last: vintages of the holdout", openings, openings.columns),
        *_titled("By lineage of the data, however much they have grown", counts, counts.columns),
    ]


def hedge_tables(made: OneHedge, beside: Beside) -> list[Table | str]:
    """What to sell and what that cut before and after the day, then the baskets by arm."""
    head = f"{made.asset} on {made.date}: sell `ratio` of an equal-weight basket for each unit held"
    out: list[Table | str] = [*_synthetic(beside), *_titled(head, made.figures, made.figures.columns)]
    out += ["trailing_cut: share of the variance that the hedge took away up to the day; variance_cut: after it, in hindsight"]
    out += [f"note: {made.note}"] if made.note else []
    out += _notes(beside)
    for arm in made.figures["arm"].to_list():
        out += _titled(f"Basket: {arm}", made.baskets.filter(pl.col("arm") == arm), made.baskets.columns[1:])
    return out


def pair_tables(made: PairStory, beside: Beside) -> list[Table | str]:
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
    some = f", the first {_SHOWN}" if made.articles.height > _SHOWN else ""
    return [
        *_synthetic(beside),
        *_titled(f"{made.a} and {made.b} on {made.date}: {state}", facts, facts.columns),
        *([f"note: {made.note}"] if made.note else []),
        *_notes(beside),
        *_titled("Lamps", made.evidence, made.evidence.columns),
        *_titled(f"Articles: {made.articles.height}{some}; published_at in UTC", made.articles.head(_SHOWN), made.articles.columns),
    ]


def peer_tables(made: Neighbourhood, beside: Beside) -> list[Table | str]:
    """The first peers in rank order."""
    columns = ("rank", "peer", "name", "expected_fwd_corr", "trailing_corr", "comention_strength", "peer_depth", "confirmed", "dark")
    shown = made.peers.head(_SHOWN)
    some = f", the first {shown.height}" if shown.height < made.total else ""
    head = f"{made.asset} on {made.date}: {made.total} peers{some}"
    return [*_synthetic(beside), *(_titled(head, shown, columns) or [head]), *_notes(beside)]


def amplifier_tables(made: AmplifierStudy) -> list[Table | str]:
    """Figures by relation and horizon and the verdict of each in a line, then the spread over configurations."""
    out: list[Table | str] = [f"{wording.SYNTHETIC}."] if made.synthetic else []
    out += _titled(
        "Mean gain of ICIR over the factors, beside rewired graphs",
        made.verdicts,
        [each for each in made.verdicts.columns if each != "verdict"],
    )
    for row in made.verdicts.iter_rows(named=True):
        out.append(f"{row['relation']}, {row['horizon']} sessions: {row['verdict']}")
    out += _titled("Gain over random factor-base configurations", made.spread, made.spread.columns)
    out.append(str(made.published.get("said", "")))
    out += [f"note: {each}" for each in made.notes]
    return [each for each in out if each]


def _marked(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """The frame with "(in sample)" behind each name whose develop figures rest on what was fitted on develop."""
    if not {"sample", column} <= {*frame.columns}:
        return frame
    names = [f"{name}{in_sample(sample, str(name))}" for sample, name in frame.select("sample", column).iter_rows()]
    return frame.with_columns(pl.Series(column, names, dtype=pl.String))


def _synthetic(beside: Beside) -> list[Table | str]:
    return [f"{wording.SYNTHETIC}."] if beside.synthetic else []


def _notes(beside: Beside) -> list[Table | str]:
    return [f"note: {each}" for each in beside.notes]


def _lockbox(study: ComovementStudy) -> str:
    start = study.holdout_start or "not set"
    if not study.opened:
        return f"develop figures; the holdout (from {start}) is shut: --open-holdout --asked-by NAME opens it and records that"
    times = "once" if study.opened == 1 else f"{study.opened} times"
    return f"the holdout (from {start}) of these data has been opened {times}, this one included"


def _titled(title: str, frame: pl.DataFrame, columns: Sequence[str]) -> list[Table | str]:
    """A line and the table below it, or nothing where it has no row; a table's own title would fold to its width."""
    if not frame.height:
        return []
    table = Table(box=None, pad_edge=False, header_style="bold")
    known = [each for each in columns if each in frame.columns]
    for each in known:
        table.add_column(each, justify="right" if frame.schema[each].is_numeric() else "left")
    for row in frame.select(known).iter_rows():
        table.add_row(*(Text(_cell(value)) for value in row))
    return [f"\n{title}", table]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
