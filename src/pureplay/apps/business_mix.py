"""What `pureplay study --preset business_mix` does, from files to files, and the tables that it prints."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import polars as pl
from rich.table import Table

from pureplay.apps.config import RunConfig, read_config
from pureplay.apps.folders import folder_place, replace_folder, require_apart, run_fault
from pureplay.apps.outputs import manifest_of, plain, seal
from pureplay.apps.studies import Asked
from pureplay.apps.trials import NOT_LOGGED, Logbook
from pureplay.dataset import Dataset, write_json
from pureplay.errors import SettingError
from pureplay.parallel import workers
from pureplay.reports.business_mix import render_business_mix
from pureplay.reports.business_mix_wording import NOT_COMPARABLE, comparable, lead, shares
from pureplay.signals.presets import preset, window_settings
from pureplay.signals.settings import SignalSettings
from pureplay.studies.business_mix import run_business_mix
from pureplay.studies.business_mix_records import BusinessMixStudy, beside_published

__all__ = ["business_mix_tables", "run_business_mix_page"]

Progress = Callable[[str], None]
_PAGE: Final = "business_mix"
_NO_USE: Final = ("horizons_sessions", "industry_scheme", "universes", "shuffles", "quantiles")
_WINDOW: Final = ("window_sessions", "min_valid_sessions")


def run_business_mix_page(
    asked: Asked, *, preset_name: str | None, sector_neutral: bool, progress: Progress, trials: Logbook = NOT_LOGGED
) -> BusinessMixStudy:
    """Run the study of a preset and write the folder: business_mix.json, business_mix.html, tables as Parquet, manifest.json.

    What stands in [signal] of the configuration replaces the preset's own value; purities of [study] are the thresholds.

    Raises SettingError for an unknown preset and for options that have no use here, DatasetError where the folder holds anything that
    is not of a run.
    """
    if preset_name is None:
        raise SettingError("--sector-neutral goes with --preset business_mix: add it, or leave --sector-neutral out")
    usual = preset(preset_name)
    idle = [f"--{name}" for name in ("factors", "families", "cluster") if getattr(asked, name) is not None]
    if idle:
        raise SettingError(f"{', '.join(idle)} has no use with --preset {preset_name}: leave it out, or run the study without --preset")
    config = read_config(asked.config) if asked.config else RunConfig.plain()
    settings, notes = _settings(usual, config, asked.config)
    folder = asked.data or config.data
    if folder is None:
        raise SettingError('there is no data: pass --data FOLDER, or add data = "FOLDER" to the configuration')
    require_apart(asked.out, folder)
    folder_place(asked.out, run_fault)  # now, not after minutes of work
    trials.require_outside(asked.out)
    data = Dataset.open(folder)
    with workers(asked.threads):
        made = run_business_mix(
            data,
            settings=settings,
            evaluation=config.evaluation,
            thresholds=config.study.purities,
            sector_neutral=sector_neutral,
            name=config.name if asked.config else "business mix",
            progress=progress,
        )
    made = replace(made, notes=(*made.notes, *notes))
    progress("writing the report")
    _record(made, settings, data, trials)
    _write(asked.out, made, data, config, trials)
    return made


def _record(made: BusinessMixStudy, settings: SignalSettings, data: Dataset, trials: Logbook) -> None:
    """One trial a window: its composite, with its raw ICIR. The threshold study is a diagnostic."""
    for row in made.rows.filter(pl.col("measure") == "composite", pl.col("source") == "products").to_dicts():
        signal = window_settings(settings, row["window_sessions"]).to_dict()
        if made.sector_scheme is not None:  # without it the scores are those of `run`, and the same trial
            signal["sector_scheme"] = made.sector_scheme
        trials.record("study", signal, data, {"raw_icir": row["icir"], "raw_t": row["ic_t"]}, dict(made.evaluation))


def _settings(usual: SignalSettings, config: RunConfig, path: Path | None) -> tuple[SignalSettings, tuple[str, ...]]:
    """The preset with what the configuration names, and notes on what it names in vain."""
    content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    named = list(content.get("signal", {}))
    fixed = [each for each in named if each in _WINDOW]
    if fixed:
        raise SettingError(f"{', '.join(fixed)} of [signal] has no use with the preset, which scores 20 and 60 sessions: leave it out")
    idle = [f"{each} of [evaluation]" for each in config.given if each in _NO_USE]
    idle += [f"{each} of [study]" for each in content.get("study", {}) if each != "purities"]
    idle += ["[battery]"] if content.get("battery") else []
    notes = (f"{', '.join(idle)} had no effect: the preset has no use for it",) if idle else ()
    return replace(usual, **{name: getattr(config.signal, name) for name in named}), notes


def _write(out: Path, study: BusinessMixStudy, data: Dataset, config: RunConfig, trials: Logbook) -> None:
    settings: dict[str, Any] = {"name": study.name, "preset": _PAGE, "signal": dict(study.settings), "evaluation": dict(study.evaluation)}
    settings |= {"windows_sessions": list(study.windows), "sector_scheme": study.sector_scheme, "thresholds": list(config.study.purities)}
    manifest = manifest_of(plain(settings), {"data": data}, config.evaluation.seed, trials=trials.manifest())

    def fill(folder: Path) -> None:
        for name, frame in _tables(study).items():
            frame.write_parquet(folder / f"{name}.parquet")
        write_json(folder / f"{_PAGE}.json", plain(study.to_dict()))
        (folder / f"{_PAGE}.html").write_text(render_business_mix(study, manifest=plain(manifest)), encoding="utf-8")
        seal(folder, manifest)

    replace_folder(out, fill, fault=run_fault)


def _tables(study: BusinessMixStudy) -> dict[str, pl.DataFrame]:
    return {"rows": study.rows, "thresholds": study.thresholds, "correlations": study.correlations, "coverage": study.coverage}


def business_mix_tables(study: BusinessMixStudy) -> list[Table | str]:
    """The source's table beside ours, the threshold study, and what a reader should know."""
    out: list[Table | str] = []
    if study.synthetic:
        out.append("Synthetic data: a simulated market, not evidence about any real one.")
    out += [lead(study), _beside(study), _thresholds(study)]
    if study.not_evaluable:
        out.append(f"no verdict: {study.not_evaluable}")
    reasons = [f"{row['measure']}, {row['window_sessions']} sessions: {row['reason']}" for row in study.rows.to_dicts() if row["reason"]]
    return [*out, *(f"left out: {each}" for each in reasons), *(f"note: {each}" for each in study.notes)]


def _beside(study: BusinessMixStudy) -> Table:
    ours, own = beside_published(study), beside_published(study, source="own_only")
    table = Table(
        title="Business-mix factors beside the published ones (paper portfolios, gross exposure 2, no costs)"
        if comparable(study)
        else f"Business-mix factors; {NOT_COMPARABLE} (paper portfolios, gross exposure 2, no costs)",
        title_justify="left",
    )
    table.add_column("")
    for window in study.windows:
        table.add_column(f"{window} sessions", justify="right")
        table.add_column(f"own_only, {window}", justify="right")
    published = comparable(study)
    if published:
        table.add_column("published", justify="right")
    for row, control in zip(ours.to_dicts(), own.to_dicts(), strict=True):
        cells = [text for window in study.windows for text in (row[f"{window} sessions"], control[f"{window} sessions"].partition(" [")[0])]
        table.add_row(f"{row['measure']}, {row['figure']}", *cells, *([row["published"]] if published else []))
    return table


def _thresholds(study: BusinessMixStudy) -> Table:
    table = Table(title=f"Composite, {study.windows[0]} sessions, by the purity that makes a pure play", title_justify="left")
    heads = ("purity", "pure plays", "products", "names", "mean IC", "ICIR", "t", "return", "Sharpe", "turnover", "revenue answered by")
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place == len(heads) - 1 else "right")
    for row in study.thresholds.to_dicts():
        table.add_row(
            f"{row['purity']:g}",
            *(_text(row[name], form) for name, form in _COLUMNS),
            shares(row),
        )
    return table


_COLUMNS: Final = (
    ("pure_plays", "{:,.0f}"),
    ("products", "{:,.0f}"),
    ("names", "{:,.0f}"),
    ("mean_ic", "{:+.2%}"),
    ("icir", "{:+.2f}"),
    ("ic_t", "{:+.2f}"),
    ("ls_return", "{:+.1%}"),
    ("ls_sharpe", "{:+.2f}"),
    ("turnover", "{:.1%}"),
)


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
