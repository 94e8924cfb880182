"""What `pureplay portfolio` does, from files to files."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from pureplay.apps.config import RunConfig, read_config
from pureplay.apps.folders import folder_place, replace_folder, require_apart, run_fault
from pureplay.apps.outputs import manifest_of, plain, seal
from pureplay.apps.trials import NOT_LOGGED, Logbook
from pureplay.dataset import Dataset, write_json
from pureplay.errors import SettingError
from pureplay.evaluate.portfolio.backtest import Account, Desk
from pureplay.evaluate.portfolio.holdings import account_frame, holdings_frame
from pureplay.evaluate.portfolio.rules import MarketRules
from pureplay.evaluate.trials import TrialCount
from pureplay.parallel import workers
from pureplay.reports.portfolio import render_portfolios
from pureplay.signals.presets import preset
from pureplay.signals.settings import SignalSettings
from pureplay.studies.portfolio import run_portfolios
from pureplay.studies.portfolio_records import PortfolioStudy

__all__ = ["PortfolioAsked", "run_portfolio_page"]

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioAsked:
    """What the command line asked for. rules: "cn", "us" or a TOML file; None = what the configuration says. threads: None = every core."""

    data: Path | None
    out: Path
    config: Path | None = None
    rules: str | None = None
    threads: int | None = None


class _Diary:
    """The log of a command as a study writes to it."""

    def __init__(self, book: Logbook, data: Dataset, config: RunConfig) -> None:
        self._book, self._data = book, data
        self._evaluation = {"portfolio": config.portfolio.to_dict()}

    def record(self, signal: Mapping[str, Any], figures: Mapping[str, float | int | None]) -> None:
        """Add a trial on the dataset."""
        self._book.record("portfolio", signal, self._data, figures, self._evaluation)

    def count(self) -> TrialCount | None:
        """Trials on the dataset as of the last record."""
        return self._book.count

    def spread(self, figure: str) -> float | None:
        """Standard deviation of a figure over the trials on the dataset."""
        return self._book.spread(figure, self._data)


def run_portfolio_page(asked: PortfolioAsked, *, progress: Progress, trials: Logbook = NOT_LOGGED) -> PortfolioStudy:
    """Run the portfolio study and write the folder: portfolio.json, portfolio.html, tables and daily holdings as Parquet, manifest.json.

    Raises DatasetError where the folder holds anything that is not of a run, and whatever the study raises.
    """
    config = read_config(asked.config) if asked.config else RunConfig.plain()
    folder = asked.data or config.data
    if folder is None:
        raise SettingError('there is no data: pass --data FOLDER, or add data = "FOLDER" to the configuration')
    require_apart(asked.out, folder)
    folder_place(asked.out, run_fault)  # now, not after minutes of work
    trials.require_outside(asked.out)
    if config.signal.construction != "R":
        raise SettingError('[signal] construction has no use here: name the scores in [portfolio_study], such as scores = ["R", "S"]')
    rules = MarketRules.load(asked.rules or config.rules)
    data = Dataset.open(folder)
    with workers(asked.threads):
        made, desk, kept = run_portfolios(
            data,
            config.signal,
            _mix(config),
            config.portfolio,
            config.portfolio_study,
            rules=rules,
            name=config.name,
            log=_Diary(trials, data, config),
            progress=progress,
        )
        progress("writing the report")
        _write(asked.out, made, desk, kept, config, data, trials)
    return made


def _mix(config: RunConfig) -> SignalSettings:
    """The preset with what [signal] names; where products are industries, which leave it nothing else, its residual volatility alone."""
    if config.signal.products != "segments":
        return replace(config.signal, resvol="diff_sd")
    return replace(preset("business_mix"), **{name: getattr(config.signal, name) for name in config.signal_given})


def _write(
    out: Path,
    made: PortfolioStudy,
    desk: Desk,
    kept: Mapping[str, Account],
    config: RunConfig,
    data: Dataset,
    trials: Logbook,
) -> None:
    settings = {
        "name": config.name,
        "signal": config.signal.to_dict(),
        "business_mix": _mix(config).to_dict(),
        "portfolio": config.portfolio.to_dict(),
        "portfolio_study": asdict(config.portfolio_study),
        "rules": made.rules,
    }
    manifest = manifest_of(settings, {"data": data}, config.portfolio_study.seed, trials=trials.manifest())

    def fill(folder: Path) -> None:
        for name, frame in _tables(made, desk, kept).items():
            frame.write_parquet(folder / f"{name}.parquet")
        write_json(folder / "portfolio.json", plain(made.to_dict()))
        (folder / "portfolio.html").write_text(render_portfolios(made, manifest=plain(manifest)), encoding="utf-8")
        seal(folder, manifest)

    replace_folder(out, fill, fault=run_fault)


def _tables(made: PortfolioStudy, desk: Desk, kept: Mapping[str, Account]) -> dict[str, pl.DataFrame]:
    """Frames of the run folder by file stem; holdings and cash of one account a kind, which replay its value."""
    names = ("accounts", "benchmarks", "years", "daily", "capacity", "correlations", "blocked", "luck", "reality", "variants", "folds")
    out: dict[str, pl.DataFrame] = {name: getattr(made, name) for name in names}
    for kind, account in kept.items():
        if account.holdings is None:
            continue
        offset = 0 if account.settings.offset == "all" else int(account.settings.offset)
        out[f"holdings_{kind}"] = holdings_frame(account.holdings, desk.market.axes, account.books, offset)
        out[f"account_{kind}"] = account_frame(account.books, offset, desk.market.axes)
    return out
