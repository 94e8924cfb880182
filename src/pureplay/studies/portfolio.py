"""Would it have made money: accounts of every score under dated rules and costs, beside controls, placebos, indices and luck."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import polars as pl

from pureplay.dataset import Dataset
from pureplay.errors import EvaluationError, InsufficientDataError, SettingError
from pureplay.evaluate.orthogonal import neutral_block
from pureplay.evaluate.portfolio.backtest import Account, Desk
from pureplay.evaluate.portfolio.rules import MarketRules
from pureplay.evaluate.portfolio.settings import Kind, PortfolioSettings
from pureplay.evaluate.trials import TrialCount
from pureplay.factors.base import Base
from pureplay.factors.industry import coarsest_scheme
from pureplay.market import load_market
from pureplay.sessions import sessions_per_year
from pureplay.signals.settings import SignalSettings
from pureplay.stats.inference import ewc_test
from pureplay.stats.sharpe import sharpe_ratio
from pureplay.studies.clock import StageClock
from pureplay.studies.luck import FOLDS, LUCK, REALITY, VARIANTS, Series, grid_series, luck_row, reality
from pureplay.studies.momentum import data_facts, findings_frame
from pureplay.studies.portfolio_beside import Found, correlate, factor_returns, paper_series
from pureplay.studies.portfolio_indices import indices_beside, main_index
from pureplay.studies.portfolio_records import PortfolioStudy
from pureplay.studies.portfolio_scores import Scored, portfolio_base, scored
from pureplay.studies.portfolio_settings import Design, PortfolioStudySettings
from pureplay.studies.portfolio_tables import account_row, active_row, blocked_rows, capacity_row, daily_rows, framed, year_rows

__all__ = ["Log", "Unlogged", "run_portfolios"]

Progress = Callable[[str], None]
_EMPTY: Final = {"luck": LUCK, "reality": REALITY, "variants": VARIANTS, "folds": FOLDS}


class Log(Protocol):
    """Where trials are recorded while a study runs."""

    def record(self, signal: Mapping[str, Any], figures: Mapping[str, float | int | None]) -> None:
        """Add a trial."""

    def count(self) -> TrialCount | None:
        """Trials on the data of the study, None where no log is kept."""

    def spread(self, figure: str) -> float | None:
        """Standard deviation of a figure over the trials, None where fewer than two have it."""


class Unlogged:
    """No log."""

    def record(self, signal: Mapping[str, Any], figures: Mapping[str, float | int | None]) -> None:
        """Nothing is kept."""

    def count(self) -> TrialCount | None:
        """Unknown."""
        return None

    def spread(self, figure: str) -> float | None:  # noqa: ARG002 - the protocol's
        """Unknown."""
        return None


def run_portfolios(
    data: Dataset,
    signal: SignalSettings,
    mix: SignalSettings,
    plain: PortfolioSettings,
    study: PortfolioStudySettings,
    *,
    rules: MarketRules | str | Path = "cn",
    name: str = "portfolios",
    log: Log | None = None,
    progress: Progress | None = None,
) -> tuple[PortfolioStudy, Desk, Mapping[str, Account]]:
    """Portfolios of every score and what they earn after costs (METHODS §5, §8).

    data: as for the signal, with what `quantile_portfolio` reads. signal: of R and S. mix: of business_mix. plain: [portfolio]; the study
    sets its kind and benchmark. log: takes a trial a score, and says how many there were.

    Returns the record, the desk, and the accounts of the first score whose daily holdings were kept, by kind. Raises SettingError,
    TableError, and InsufficientDataError where no score has a portfolio.
    """
    if plain.benchmark is not None:
        raise SettingError(
            '[portfolio] benchmark has no use in a study: name benchmarks in [portfolio_study], such as benchmarks = ["csi300"]'
        )
    clock, log, found = StageClock(progress or (lambda _: None)), log or Unlogged(), Found()
    with clock.stage("market and rules"):
        market = load_market(data)
        desk = Desk.open(data, market=market, rules=rules, settings=_of_kind(plain, _widest(study)))
        scheme = coarsest_scheme(data) if data.has("industries") else None
        found.main_index = main_index(desk, study, found) if "long_only" in study.kinds else None
    with clock.stage("base factors"):
        base = portfolio_base(data, market, study)
    made = iter(scored(data, market, base, signal, mix, study, say=clock.say))
    while True:
        with clock.stage("scores"):
            each = next(made, None)
        if each is None:
            break
        with clock.stage("accounts"):
            _accounts(each, desk, base, plain, study, scheme, found, clock.say)
        with clock.stage("correlations"):
            correlate(each, desk, base, plain, found)
        with clock.stage("capacity"):
            _capacity(each, desk, plain, study, found, clock.say)
        _record(each, study, plain, base, found, log)
    if "accounts" not in found.rows:
        told = "; ".join(f"{score}: {why}" for score, why in found.not_evaluable.items())
        raise InsufficientDataError(f"no score has a portfolio ({told})")
    with clock.stage("frictionless factors"):
        factor_returns(desk, base, plain, found, clock.say)
    with clock.stage("luck"):
        frames = _luck(desk, plain, study, found, log)
    return _study(name, data, desk, signal, mix, plain, study, base, found, frames, log, clock), desk, found.kept


def _widest(study: PortfolioStudySettings) -> Kind:
    """The kind whose tape serves all of them: that with short sales."""
    return "long_short" if "long_short" in study.kinds else "long_only"


def _on_paper(settings: PortfolioSettings) -> bool:
    """Whether the frictionless quintiles are the portfolio of these settings but for costs and rules."""
    plain = PortfolioSettings()
    same = ("kind", "weighting", "sector_scheme", "universe", "buffer", "gross_exposure")
    return all(getattr(settings, name) == getattr(plain, name) for name in same)


def _of_kind(plain: PortfolioSettings, kind: Kind) -> PortfolioSettings:
    if kind == plain.kind:
        return replace(plain, benchmark=None)
    short = kind == "long_short"
    return (
        replace(plain, kind=kind, benchmark=None)
        if short
        else replace(plain, kind=kind, benchmark=None, gross_exposure=2.0, shorting="rule")
    )


def _accounts(
    each: Scored,
    desk: Desk,
    base: Base,
    plain: PortfolioSettings,
    study: PortfolioStudySettings,
    scheme: str | None,
    found: Found,
    say: Progress,
) -> None:
    """Every design and kind of one score; controls and placebos in the first design and the orthogonal one."""
    for design in study.designs:
        if not each.informed and design not in (study.designs[0], "orthogonal"):
            continue
        scores = each.composite
        lost: dict[str, str] = {}
        for kind in study.kinds:
            settings = study.designed(design, _of_kind(plain, kind), scheme=scheme)
            if settings is None:
                continue
            say(f"{each.name}: {design.replace('_', ' ')}, {kind.replace('_', ' ')}")
            keep = each.informed and design == study.designs[0] and kind not in found.kept
            try:
                if design == "orthogonal" and scores is each.composite:
                    scores = neutral_block(each.composite, base.values, name=each.name)
                account = desk.trade(scores, settings, record=_first_offset(settings) if keep else None)
                _tabulate(each, design, kind, desk, account, study, found)
            except EvaluationError as error:  # too few names, a base that contains the score, or never a day to open the account
                lost[kind] = str(error)
                continue
            if keep:
                found.kept[kind] = account
        found.lose(f"{each.name}, {design}", lost, of=study.kinds)


def _first_offset(settings: PortfolioSettings) -> int:
    return 0 if settings.offset == "all" else int(settings.offset)


def _tabulate(each: Scored, design: Design, kind: Kind, desk: Desk, account: Account, study: PortfolioStudySettings, found: Found) -> None:
    """Rows of one portfolio in every table that it belongs to."""
    plain = design == study.designs[0]
    indices = indices_beside(desk, account, study, found.main_index, found) if kind == "long_only" else []
    made = desk.report(account, name=each.name, benchmark=indices[0] if indices else None)
    paper = paper_series(each.name, each.composite, desk, account.settings, found) if plain and _on_paper(account.settings) else None
    found.add("accounts", account_row(each.name, design, kind, made, is_control=not each.informed, paper=paper))
    found.add("years", *year_rows(each.name, design, kind, made))
    for number, index in enumerate(indices):
        beside = made if number == 0 else desk.report(account, name=each.name, benchmark=index)
        found.add("benchmarks", active_row(each.name, design, beside, index))
    if plain:
        found.daily.append(daily_rows(each.name, kind, made))
        found.add("blocked", *blocked_rows(each.name, kind, made))
    if each.informed:
        column = "active" if indices else "net"
        found.net.setdefault(kind, {})[(each.name, design)] = made.daily.select("date", value=pl.col(column))


def _capacity(each: Scored, desk: Desk, plain: PortfolioSettings, study: PortfolioStudySettings, found: Found, say: Progress) -> None:
    if each.name != study.scores[0] or desk.tape.liquidity is None:
        return
    for kind in (kind for kind in study.kinds if found.has(each.name, kind)):
        for capital in study.capitals:
            say(f"{each.name}: capacity at {capital:.0e}, {kind.replace('_', ' ')}")
            account = desk.trade(each.composite, replace(_of_kind(plain, kind), capital=float(capital)))
            found.add("capacity", capacity_row(each.name, kind, float(capital), desk.report(account, name=each.name)))


def _record(each: Scored, study: PortfolioStudySettings, plain: PortfolioSettings, base: Base, found: Found, log: Log) -> None:
    """One trial a score that holds product information, with a figure of every kind; controls and placebos are diagnostics."""
    figures: dict[str, float | int | None] = {}
    for kind in study.kinds:
        daily = found.net.get(kind, {}).get((each.name, study.designs[0]))
        if daily is not None:
            returns = daily["value"].drop_nulls().to_numpy()
            figures[_figure(kind, plain, found)] = sharpe_ratio(grid_series(returns, plain.grid_sessions))
            figures[f"t_{kind}"] = ewc_test(returns).t
    if not figures:
        return
    signal = each.settings.to_dict()
    if each.settings.construction == "S" and study.base != "auto":  # what S is residual to is part of it
        signal["residual_base"] = {"kind": base.kind, "names": list(base.names), "file_sha256": None}
    log.record(signal, figures)


def _figure(kind: str, plain: PortfolioSettings, found: Found) -> str:
    """Name of a Sharpe ratio in the log: only those of one grid, and of returns above one index, can be compared."""
    against = found.main_index if kind == "long_only" else None
    return f"sharpe_{kind}_{plain.grid_sessions}" + (f"_above_{against}" if against else "")


def _luck(desk: Desk, plain: PortfolioSettings, study: PortfolioStudySettings, found: Found, log: Log) -> dict[str, pl.DataFrame]:
    a_year, grid = sessions_per_year(desk.market.axes.sessions), plain.grid_sessions
    count = log.count()
    frames: dict[str, list[pl.DataFrame]] = {name: [pl.DataFrame(schema=schema)] for name, schema in _EMPTY.items()}
    for kind, variants in found.net.items():
        spread = log.spread(_figure(kind, plain, found))
        for (score, design), daily in variants.items():
            if design != study.designs[0]:
                continue
            try:
                row = luck_row(daily["value"].to_numpy(), grid_sessions=grid, a_year=a_year, trials=count, trial_sd=spread)
            except InsufficientDataError as error:
                found.notes.append(f"{score}, {kind}: no deflated Sharpe ratio: {error}")
                continue
            frames["luck"].append(pl.DataFrame([{"score": score, "kind": kind, **row}], schema=LUCK))
        made, notes = reality(
            kind, _together(variants), grid_sessions=grid, draws=study.draws, splits=study.splits, folds=study.folds, seed=study.seed
        )
        found.notes.extend(notes)
        for name, frame in made.items():
            frames[name].append(frame)
    return {name: pl.concat(each).with_columns(pl.selectors.float().fill_nan(None)) for name, each in frames.items()}


def _together(variants: Mapping[tuple[str, str], pl.DataFrame]) -> Series:
    """Daily returns of the variants on all their dates."""
    dates = pl.concat([each.select("date") for each in variants.values()]).unique().sort("date")
    columns = [
        dates.join(each, on="date", how="left", maintain_order="left")["value"].cast(pl.Float64).to_numpy() for each in variants.values()
    ]
    return Series(dates=dates["date"].to_numpy().astype("datetime64[D]"), names=tuple(variants), values=np.stack(columns, axis=1))


def _study(
    name: str,
    data: Dataset,
    desk: Desk,
    signal: SignalSettings,
    mix: SignalSettings,
    plain: PortfolioSettings,
    study: PortfolioStudySettings,
    base: Base,
    found: Found,
    frames: Mapping[str, pl.DataFrame],
    log: Log,
    clock: StageClock,
) -> PortfolioStudy:
    tables = {
        each: framed(each, found.rows.get(each, [])) for each in ("accounts", "benchmarks", "years", "capacity", "correlations", "blocked")
    }
    index_daily = [rows.select(benchmark=pl.lit(each), date="date", ret="ret", wealth="wealth") for each, rows in found.indices.items()]
    return PortfolioStudy(
        name=name,
        synthetic=bool(data.notes.get("synthetic", False)),
        approximate=desk.facts.approximate,
        settings={
            "signal": signal.to_dict(),
            "business_mix": mix.to_dict(),
            "portfolio": plain.to_dict(),
            "portfolio_study": asdict(study),
        },
        rules={"name": desk.rules.name, "digest": desk.rules.digest()},
        data=data_facts(data, desk.market),
        facts={**desk.facts.to_dict(), "base": list(base.names), "main_index": found.main_index},
        daily=pl.concat([framed("daily", []), *found.daily]),
        index_daily=pl.concat([framed("index_daily", []), *index_daily]),
        luck=frames["luck"],
        reality=frames["reality"],
        variants=frames["variants"],
        folds=frames["folds"],
        trials=log.count(),
        not_evaluable=dict(found.not_evaluable),
        refused=findings_frame(data),
        notes=(*desk.facts.notes, *dict.fromkeys(found.notes)),
        seconds=clock.seconds,
        **tables,
    )
