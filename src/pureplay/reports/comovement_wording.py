"""What the page of a co-movement study says in plain language: each sentence is made from the figures beside it."""

from collections.abc import Sequence
from typing import Final

from pureplay.reports.comovement_rows import (
    FEWEST_VINTAGES,
    LAMPS,
    LEVEL,
    Record,
    arm_title,
    arms,
    critical,
    headline,
    in_sample,
    known,
    lockbox,
    predictor_title,
    relation_title,
    rows,
    samples,
    setting,
    term_title,
    times,
    vintages_of,
)
from pureplay.reports.comovement_tables import main_count, universes
from pureplay.reports.formats import DASH, count, enumerate_words, percent, signed
from pureplay.studies.comovement_records import ComovementStudy

__all__ = [
    "IN_SAMPLE",
    "TERMS",
    "descriptive",
    "facts",
    "forecast_text",
    "hedge_text",
    "lead",
    "retention_text",
    "returns_text",
    "risk_text",
    "status",
    "which",
]

IN_SAMPLE: Final = "Develop figures that use the model's forecast are in sample: its coefficients were fitted on these vintages"
"""What must stand beside the figures of develop."""

TERMS: Final = (
    ("Vintage", "The last session of a month. What it holds was known by its close; forward figures come after it."),
    ("Co-mentioned pair", "Two stocks that an article of the trailing window names together; lists and tender bids are left out."),
    ("Lamp", "A structural link, known at the vintage: deep product peer, supply chain, disclosed customer–supplier, affiliate."),
    ("Confirmed, dark", "A co-mentioned pair with a lamp lit, and one without any."),
    (
        "Shallow product peer",
        "Two firms with revenue below a common product node that is not deep; the base of the deep peer, and no lamp.",
    ),
    (
        "Correlation",
        "Product of two z-scored return series over the days that both have, divided by the larger of their number and two thirds of the "
        "window, which shrinks thin pairs. The same measure looks back and forward.",
    ),
    (
        "Fama–MacBeth",
        "Every month forward correlation is regressed on trailing correlation, lamps and dark, beside random pairs of the same size and "
        "industry; coefficients are averaged over months.",
    ),
    ("EWC t", "The mean coefficient over its standard error, which allows for overlapping windows; few degrees of freedom."),
    ("Newey–West t", "The same with another, more hopeful allowance for overlap."),
    ("Dyadic se", "Mean standard error within a month that allows for pairs with a stock in common."),
    (
        "Forecasts",
        "Trailing as it is; a + b trailing, fitted on develop, which also takes in the co-mention (adding co-mention) or is fitted on "
        "random pairs alone; mean trailing correlation of the two industries; trailing shrunk (Ledoit–Wolf); the model with lamps.",
    ),
    (
        "MZ slope",
        "Forward correlation regressed on its forecast: 1 is right, below 1 the forecast is too far spread (Mincer and Zarnowitz).",
    ),
    ("DM t", "Test of the squared error against that of a + b trailing; above 0 the forecast is better (Diebold and Mariano)."),
    ("Retention", "Mean forward over mean trailing correlation of a group, in the same months and bins as the confirmed pairs."),
    ("Variance cut", "1 less the forward variance of the hedged stock over that of the stock; ratio fitted on the trailing window."),
    ("Turnover", "Share of the basket that is replaced from one vintage to the next, one way."),
    ("Lock box", "A file that records every look at the holdout; a figure that was looked at often is worth less."),
    ("Embargo", "Vintages before the holdout whose forward window reaches into it; they are in neither part."),
)
"""Glossary."""


def which(study: ComovementStudy) -> str:
    """Whether the figures that sentences speak of are of develop or of the holdout, and how often that was opened."""
    since = f" from {study.holdout_start} on" if study.holdout_start else ""
    return {
        "holdout": f"Holdout figures{since} unless said otherwise. {lockbox(study)}.",
        "develop": f"Develop figures: the holdout{since} is not in them (lock box {times(study.opened)}).",
    }.get(headline(study), "Figures of all vintages, without a holdout: nothing here is confirmed out of sample.")


def facts(study: ComovementStudy) -> tuple[tuple[str, str], ...]:
    """Size of the graph: means over its vintages."""
    held = rows(study.vintages)
    pairs = _mean(held, "pairs")
    days = sorted(str(row["date"])[:10] for row in held if row.get("date") is not None)
    shares = [
        (name.capitalize(), percent(sum(row.get(name) or 0 for row in held) / (pairs * len(held)) if pairs else None))
        for name in ("confirmed", "dark")
    ]
    found = (
        ("Vintages", f"{count(len(held))}, {days[0][:7]} to {days[-1][:7]}" if days else count(len(held))),
        ("Pairs a vintage", count(pairs)),
        ("Names a vintage", count(_mean(held, "names"))),
        *shares,
        ("Holdout from", study.holdout_start or DASH),
        ("Lock box", times(study.opened)),
    )
    return tuple(each for each in found if each[1] != DASH)


def _mean(held: Sequence[Record], name: str) -> float | None:
    found = [row[name] for row in held if known(row.get(name))]
    return sum(found) / len(found) if found else None


def lead(study: ComovementStudy) -> str:
    """What was found, from the figures of the headline sample: retention, lamps, hedges."""
    said = [each for each in (retention_text(study), _lamps(study), _hedge_lead(study)) if each]
    if said and headline(study) == "develop":
        said.append(f"{IN_SAMPLE}.")
    return " ".join(said) or "No figure could be computed; what stood in the way is listed at the end."


def retention_text(study: ComovementStudy) -> str:
    """How much confirmed pairs keep, beside pairs of price alone or else dark ones."""
    held = {row.get("group"): row for row in rows(study.retention, sample=headline(study), bin=None) if known(row.get("retention"))}
    if "confirmed" not in held:
        return ""
    said = f"Confirmed pairs keep {_whole(held['confirmed']['retention'])} of their correlation over the next {_ahead(study)}"
    group = next((each for each in ("price_only", "dark") if each in held), None)
    if group is None:
        return f"{said}; no other pairs can be set beside them."
    row = held[group]
    like = row["confirmed_retention"] if known(row.get("confirmed_retention")) else held["confirmed"]["retention"]
    named = {"price_only": "pairs picked by price alone", "dark": "dark pairs"}[group]
    return f"{said}, against {_whole(row['retention'])} for {named}{_difference(study, row, like)}."


def _difference(study: ComovementStudy, row: Record, like: float) -> str:
    """What the test of a difference of retention allows to be said."""
    t = row.get("difference_t")
    if t is None or not known(t):
        return " (no test: too few vintages)" if "difference_t" in row else ""
    if abs(t) <= critical(study):
        return f", a difference that chance explains (t {signed(t, 2)})"
    return f" (t of the difference {signed(t, 2)})" if like >= row["retention"] else f", so they keep less (t {signed(t, 2)})"


def _ahead(study: ComovementStudy) -> str:
    return f"{setting(study, 'forward_sessions')} sessions"


def _whole(value: float | None) -> str:
    return percent(value, 0)


def _lamps(study: ComovementStudy) -> str:
    """Which terms add, which take away, which are not different from 0."""
    held = [row for row in rows(study.fama_macbeth, sample=headline(study), variant="plain") if row.get("term") in LAMPS]
    found = [row for row in held if known(row.get("coefficient"))]
    if not found:
        return ""
    if not any(known(row.get("p")) for row in found):
        return "Too few vintages to test whether lamps add to future correlation."
    sure = [row for row in found if known(row.get("p")) and row["p"] < LEVEL]
    more = [f"{term_title(row['term'])} ({signed(row['coefficient'])})" for row in sure if row["coefficient"] > 0]
    less = [f"{term_title(row['term'])} ({signed(row['coefficient'])})" for row in sure if row["coefficient"] < 0]
    open_ = [term_title(row["term"]) for row in found if row not in sure]
    said = [f"{_first_up(enumerate_words(more))} add{'s' * (len(more) == 1)} to future correlation beyond the trailing one"] if more else []
    said += (
        [f"{'' if said else 'No lamp adds to future correlation; '}{enumerate_words(less)} take{'s' * (len(less) == 1)} away"]
        if less
        else []
    )
    if open_:
        said.append(f"{enumerate_words(open_)} {'is' if len(open_) == 1 else 'are'} not different from 0")
    text = "; ".join(said)
    return f"{_first_up(text)}{_few(study)}."


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _few(study: ComovementStudy) -> str:
    vintages = vintages_of(study, headline(study))
    return f" (descriptive: {count(vintages)} vintages)" if vintages is not None and vintages < FEWEST_VINTAGES else ""


def descriptive(study: ComovementStudy) -> str:
    """Which samples have too few vintages for a test; nothing where all have enough."""
    found = [(sample, vintages_of(study, sample)) for sample in samples(study.fama_macbeth)]
    few = [f"{sample} ({count(vintages)})" for sample, vintages in found if vintages is not None and vintages < FEWEST_VINTAGES]
    return f"Descriptive: under {FEWEST_VINTAGES} vintages in {enumerate_words(few)}, so t and p say little." if few else ""


def _hedged(study: ComovementStudy, universe: str | None) -> dict[str, Record]:
    """Rows by arm of the headline sample at the main count."""
    shown = samples(study.hedge)[:1]
    held = [row for sample in shown for row in rows(study.hedge, sample=sample, names=main_count(study), universe=universe)]
    return {arm: next(row for row in held if row.get("arm") == arm) for arm in arms(held)}


def _hedge_lead(study: ComovementStudy) -> str:
    shown = universes(rows(study.hedge, sample=headline(study), names=main_count(study)))
    return _hedge_sentence(study, shown[0]) if shown else ""


def hedge_text(study: ComovementStudy) -> tuple[str, ...]:
    """A sentence a universe of the sample that the curves show."""
    held = [row for sample in samples(study.hedge)[:1] for row in rows(study.hedge, sample=sample, names=main_count(study))]
    return tuple(said for universe in universes(held) if (said := _hedge_sentence(study, universe)))


def _hedge_sentence(study: ComovementStudy, universe: str) -> str:
    held = _hedged(study, universe)
    own = held.get("graph")
    if own is None or not known(own.get("variance_cut")):
        return f"In {universe} no stock-month has {count(main_count(study))} graph peers."
    said = f"In {universe} a hedge of {count(own['names'])} graph peers{in_sample(headline(study), 'graph')} "
    said += f"cuts {percent(own['variance_cut'])} of the forward variance"
    if known(own.get("beats_industry")):
        said += f" and beats the industry basket in {_whole(own['beats_industry'])} of cases"
    said += _compared(held)
    others = {arm: row["variance_cut"] for arm, row in held.items() if arm != "graph" and known(row.get("variance_cut"))}
    better = sorted((arm for arm, cut in others.items() if cut > own["variance_cut"]), key=lambda arm: -others[arm])
    if not others:
        return f"{said}."
    if better:
        return f"{said}; {enumerate_words(f'{_peers(arm)} cut {percent(others[arm])}' for arm in better)}."
    nearest = max(others, key=lambda arm: others[arm])
    return f"{said}; no other hedge cuts more ({arm_title(nearest)} {percent(others[nearest])})."


def _compared(held: dict[str, Record]) -> str:
    """In how many stock-months hedges are compared, and which of them lacks names where most are dropped."""
    own = held["graph"]
    kept, dropped = own.get("stock_months"), own.get("dropped")
    if kept is None or not known(kept):
        return ""
    if dropped is None or not known(dropped):
        return f", in {count(kept)} stock-months"
    said = f", in {count(kept)} of {count(kept + dropped)} stock-months"
    if dropped <= kept:
        return said
    complete = {arm: row["complete"] for arm, row in held.items() if known(row.get("complete"))}
    fewest = min(complete, key=lambda arm: complete[arm], default=None)
    why = f", since the hedge “{arm_title(fewest)}” lacks names in the others" if fewest is not None else ""
    return f"{said} (the comparison rests on few months{why})"


def _peers(arm: str) -> str:
    """A hedge as the subject of a sentence."""
    return _SUBJECTS.get(arm, arm_title(arm))


_SUBJECTS: Final = {
    "expected": "peers by highest expected correlation",
    "trailing": "peers by highest trailing correlation",
    "news_only": "peers by news only",
    "random_industry": "random names of the industry",
}


def forecast_text(study: ComovementStudy) -> str:
    """Which forecast has the least error, and whether it is better than a + b trailing."""
    held = [row for row in rows(study.scores, sample=headline(study)) if known(row.get("mse"))]
    if not held:
        return ""
    best = min(held, key=lambda row: row["mse"])
    name = predictor_title(str(best.get("predictor"))) + in_sample(headline(study), str(best.get("predictor")))
    if best.get("predictor") == "regression":
        return f"No forecast has a smaller squared error than {name}: structure is not found to improve it."
    t, p = best.get("dm_t"), best.get("dm_p")
    if not known(p):
        return f"The smallest squared error is that of “{name}”; too few vintages for a test against a + b trailing."
    sure = "and better than a + b trailing" if p is not None and p < LEVEL and (t or 0) > 0 else "but not surely better than a + b trailing"
    return f"The smallest squared error is that of “{name}”, {sure} (DM t {signed(t, 2)})."


def returns_text(study: ComovementStudy) -> str:
    """Whether returns spill over along the graph: what "risk, not alpha" claims."""
    held = [row for row in rows(study.spillover, sample=headline(study)) if known(row.get("p"))]
    if not held:
        return ""
    sure = [row for row in held if row["p"] < LEVEL]
    up = [_spill(row) for row in sure if row["mean_ic"] > 0]
    down = [_spill(row) for row in sure if row["mean_ic"] < 0]
    if not sure:
        return f"Returns are not found to spill over along the graph: none of {len(held)} mean rank ICs is different from 0."
    said = [f"above 0: {enumerate_words(up)}"] * bool(up) + [f"below 0: {enumerate_words(down)}"] * bool(down)
    claim = "So “risk, not alpha” is not confirmed here" if up else "So there is no return to earn by following the neighbours"
    return f"Of {len(held)} mean rank ICs {len(sure)} differ{'s' * (len(sure) == 1)} from 0, {'; '.join(said)}. {claim}."


def _spill(row: Record) -> str:
    return f"{relation_title(row, ' at ')} ({signed(row['mean_ic'], 4)})"


def risk_text(study: ComovementStudy) -> str:
    """Whether the graph's discount lowers the risk of a whole portfolio."""
    shown = samples(study.minimum_variance)[:1]
    held = {row.get("method"): row for sample in shown for row in rows(study.minimum_variance, sample=sample)}
    own, plain = held.get("discounted", {}), held.get("shrunk", {})
    if not known(own.get("volatility")) or not known(plain.get("volatility")):
        return ""
    t, beside = own.get("t"), own.get("placebo_t")
    mark = in_sample(own.get("sample"), "discounted")
    said = f"Minimum variance with the graph's discount{mark} has a volatility of {percent(own['volatility'], 2)} a year, "
    said += f"against {percent(plain['volatility'], 2)} without it"
    if not known(t) or t is None:
        return f"{said}; too few days for a test."
    if abs(t) <= _CRITICAL_DAILY:
        return f"{said}: no difference beyond chance (t {signed(t, 2)}), so the edge washes out in a whole portfolio."
    said += f": {'less' if t < 0 else 'more'} risk (t {signed(t, 2)})"
    if t > 0 or "placebo_t" not in own:
        return f"{said}."
    if known(beside) and beside is not None and beside < -_CRITICAL_DAILY:
        return f"{said}, and less than with the same discounts on other pairs (t {signed(beside, 2)})."
    return f"{said}, but no less than with the same discounts on other pairs (t {signed(beside, 2)}): it is not owed to the graph."


_CRITICAL_DAILY: Final = 2.306  # Student t with the 8 degrees of freedom of the daily test


def status(study: ComovementStudy) -> str:
    """The verdict on the negative control of the headline sample, or of the first that has one."""
    held = rows(study.bids, sample=headline(study)) or rows(study.bids)
    found = next((str(row["verdict"]).replace("_", " ") for row in held if row.get("verdict")), "")
    return f"Tender bids: {_VERDICTS.get(found, found)}." if found else ""


_VERDICTS: Final = {
    "accepted": "accepted, an effect of one sign in develop and holdout, which a negative control should not have",
    "rejected": "rejected, for no effect of one sign stands in both develop and holdout, as it should be for a negative control",
}
