"""What the page of a portfolio study says in plain language: its opening, how to read its tables, its terms."""

from collections.abc import Iterator
from typing import Any, Final

from pureplay.evaluate.records import CRITICAL_T
from pureplay.reports.formats import DASH, NO_BREAK, count, day, enumerate_words, number, percent, signed
from pureplay.reports.portfolio_rows import Record, first_score, kinds, known, middle, plain_rows, shuffled
from pureplay.reports.portfolio_sheets import share
from pureplay.studies.controls import OWN_ONLY
from pureplay.studies.portfolio_records import PortfolioStudy

__all__ = ["APPROXIMATE", "LUCK_READ", "REALITY_READ", "TERMS", "facts_of_tape", "lead", "not_evaluable", "trials_text"]

APPROXIMATE: Final = "Price limits inferred from returns: approximate"
_PASS: Final = 0.95
_RUIN: Final = -1.0 + 1e-9  # net return a year of an account that lost everything
_WORDS: Final = 120

LUCK_READ: Final = (
    "Deflated: the probability that the Sharpe ratio exceeds what the best of all trials shows by chance (best by chance); 95 % passes. "
    "Against 0: the same for a single trial.",
    "Record needed: years until 95 % confidence that a Sharpe ratio of this size is above 0. More years: until the t of the mean passes "
    f"{CRITICAL_T}, if the future is like the past.",
)
REALITY_READ: Final = (
    ("SPA p", "The chance of a best variant this good if none were any good; the consistent one is the test, the others bound it."),
    ("StepM", "The variants that are better than nothing, all of them together wrong one time in twenty at most."),
    (
        "PBO",
        "How often the best variant of one half of the record is no better than the middle one in the other half; 50 % is pure chance.",
    ),
    ("Slope", "What a better figure in one half means for the other; below 0, the better it looked, the worse it did."),
    ("Loss", "How often the best variant of one half was below 0 in the other."),
)
TERMS: Final = (
    ("Gross", "What an account earned before any cost, with every order filled as the market rules allow."),
    ("Net", "Gross less fees and duties, price impact and the cost of borrowed shares."),
    ("Paper", "The same long-short quantiles without costs or market rules, every order filled at the close; a year, not compounded."),
    ("Long-short exposure", "The value held long plus the value sold short over the account; 2 is one of each."),
    ("Turnover", "Value bought or sold, one way, as a multiple of the account a year."),
    ("Largest loss", "The largest fall of net wealth from an earlier peak (drawdown)."),
    ("t", "The mean daily return over its standard error (EWC, 8 degrees of freedom); chance alone passes ±2.306 one time in twenty."),
    ("Sharpe ratio", "Mean return over its standard deviation, against cash that earns nothing; a year in the tables of accounts."),
    ("Blocked", "Orders that could not be filled in full: suspended, at a price limit, not open to buyers, or too large for the trading."),
    ("T+1", "What was bought on a day may be sold on the next session at the earliest."),
    ("Impact", "The price moves against a trade by daily volatility times the root of its share of the mean traded value."),
    ("Capacity", "The account size at which costs have eaten what the score earns."),
    (
        "Deflated Sharpe ratio",
        "The probability that a Sharpe ratio is more than the luck of the best of all trials, given its length and tails.",
    ),
    ("Trial", "One distinct setting of the signal tried on these data; the log counts them, whether or not they were reported."),
    ("SPA", "Superior predictive ability: a test of whether the best of many variants is better than nothing, allowing for the search."),
    ("StepM", "The stepwise form of that test: it names the variants that pass."),
    ("PBO", "Probability of backtest overfitting, from choosing on every half of the record and judging on the other."),
    ("Purged cross-validation", "Choosing on all folds but one and judging on that one, with one period left out on either side of it."),
    ("Track record", "The length of record that makes a Sharpe ratio of this size distinguishable from none."),
    ("Active return, information ratio", "Net return less the index, and its mean over its standard deviation, a year."),
    ("Offsets", "The rebalance grid can start on any of its days, an account each; figures are means, in brackets smallest and largest."),
    ("Control own_only", "The identical score with the market in the place of product peers: no product information."),
    ("Control industry", "The identical score with industry peers in the place of product peers."),
    ("Shuffles", "The first score with product mixes dealt out at random within industries: placebos under the same rules."),
)


def lead(study: PortfolioStudy) -> str:
    """What the first score made after costs, what no information made, and whether luck explains it; at most 120 words."""
    first = first_score(study)
    asked = [*(dict(study.settings.get("portfolio_study", {})).get("scores") or ()), first][0]
    if first is None:
        said = ["No score with product information has a portfolio, so there is no finding either way."]
    else:
        said = [f"{asked} has no portfolio; {first} is shown in its place."] if asked != first else []
        said += [f"{first} {_earned(study, first, kind)}." for kind in _told(study, first)]
        said += [*_uninformed(study, first), *_chance(study, first)]
    return _with_reasons(" ".join(said), study)


def _told(study: PortfolioStudy, score: str) -> list[str]:
    return [kind for kind in kinds(study.accounts) if score in plain_rows(study, "accounts", kind)]


def _kind(kind: str) -> str:
    return kind.replace("_", "-")


def _earned(study: PortfolioStudy, score: str, kind: str) -> str:
    """Kind, whether money was made, net figure with its t, against which index or over which dates."""
    row = plain_rows(study, "accounts", kind)[score]
    what = _verb(row["net"], row["t_net"])
    figure = f"{share(row['net'])} a year net, t{NO_BREAK}{signed(row['t_net'], 2)}"
    if kind != "long_only":
        return f"{_kind(kind)}{_while(study, row)} {what} ({figure})"
    index = next(iter(study.benchmarks.filter(score=score, design=row["design"]).to_dicts()), None)
    against = "no index beside it"
    if index is not None:
        form = "" if index["is_total_return"] else " without dividends"
        against = f"{share(index['active'])}, t{NO_BREAK}{signed(index['t_active'], 2)}, against {index['benchmark']}{form}"
    return f"long-only {what} ({figure}; {against})"


def _verb(net: float | None, t: float | None) -> str:
    if net is None or not known(net):
        return "has no net figure"
    if net <= 0:
        return "lost money after costs"
    return "made money after costs" if t is not None and t > CRITICAL_T else "made money after costs, but no more than chance explains"


def _while(study: PortfolioStudy, row: Record) -> str:
    if dict(study.settings.get("portfolio", {})).get("shorting") == "paper":
        return ", as if short sales were always allowed,"
    last = row["last"]
    if last is None or day(last) >= str(study.data.get("last", "")):
        return ""
    worst = row["net_min"]  # -1 where an account was ruined, which ends it too
    closed = worst is not None and known(worst) and worst > _RUIN
    return f", until its short positions had to be closed (accounts end {day(last)})," if closed else f", until {day(last)},"


def _uninformed(study: PortfolioStudy, score: str) -> Iterator[str]:
    """What the control and the placebos made with the same rules."""
    told = _told(study, score)
    own: dict[str, str] = {}
    dealt: dict[str, str] = {}
    number_of = 0
    for kind in told:
        made = plain_rows(study, "accounts", kind)
        if OWN_ONLY in made:
            own[kind] = share(made[OWN_ONLY]["net"])
        placebos = shuffled(made.values())
        found = middle(placebos, "net")
        if found is not None:
            number_of = max(number_of, len(placebos))
            dealt[kind] = share(found[0]) + (f" ({share(found[1])} to {share(found[2])})" if len(placebos) > 1 else "")
    said = [f"the control own_only made {_by_kind(own, told)}"] if own else []
    many = f"the median of {number_of} shuffles" if number_of > 1 else "a shuffle"
    said += [f"{many} {'' if own else 'made '}{_by_kind(dealt, told)}"] if dealt else []
    yield f"Under the same rules{_order(told)}, {'; '.join(said)}." if said else "No control or placebo stands beside it."


def _order(told: list[str]) -> str:
    return f", {enumerate_words(map(_kind, told))}" if len(told) > 1 else ""


def _by_kind(values: dict[str, str], told: list[str]) -> str:
    """Values in the order of the kinds, a dash for a kind without one."""
    return enumerate_words(values.get(kind, DASH) for kind in told)


def _chance(study: PortfolioStudy, score: str) -> Iterator[str]:
    """Whether the deflated Sharpe probability passes, and how many more years it takes."""
    rows = {kind: row for kind in _told(study, score) if (row := plain_rows(study, "luck", kind).get(score)) is not None}
    if not rows:
        yield "The record is too short for a deflated Sharpe ratio."
        return
    told = _told(study, score)
    trials = next(iter(rows.values()))["trials"]
    tried = "No log of trials was kept; for one trial" if trials is None else f"After {count(trials)} trial{'s' * (trials != 1)}"
    yield f"{tried} the deflated Sharpe probability is {_deflated(rows, told)}."
    yield f"More years needed to tell: {_by_kind({kind: _years(row['more_years']) for kind, row in rows.items()}, told)}."


def _deflated(rows: dict[str, Record], told: list[str]) -> str:
    """Probabilities by kind, and which of them reach the bar."""
    values = {kind: percent(row["deflated"]) for kind, row in rows.items()}
    passed = [kind for kind, row in rows.items() if known(row["deflated"]) and row["deflated"] >= _PASS]
    bar = f"95{NO_BREAK}%"
    if not passed:
        return f"{_by_kind(values, told)}, below the {bar} needed"
    if len(passed) == len(told):
        return f"{_by_kind(values, told)}, which passes {bar}"
    return f"{_by_kind(values, told)}; only {enumerate_words(map(_kind, passed))} passes {bar}"


def _years(more: float | None) -> str:
    if more is None or more != more:
        return "unknown"
    if more == float("inf"):
        return "no length would do"
    return "none" if more <= 0 else number(more, 0 if more >= 10 else 1)


def _with_reasons(said: str, study: PortfolioStudy) -> str:
    """The opening with what has no portfolio, reasons too where there is room for them."""
    lost = dict(study.not_evaluable)
    if not lost:
        return said
    whole = f"{said} Not evaluable: {'; '.join(f'{name} ({why})' for name, why in lost.items())}."
    if len(whole.split()) <= _WORDS:
        return whole
    short = f"{said} Not evaluable, reasons below: {', '.join(lost)}."
    return short if len(short.split()) <= _WORDS else f"{said} {len(lost)} are not evaluable."


def not_evaluable(study: PortfolioStudy) -> tuple[tuple[str, str], ...]:
    """Every score without a portfolio, with the reason."""
    return tuple((name, why or "no reason was recorded") for name, why in study.not_evaluable.items())


_BASES: Final = {
    "given": "Limits read from the limit columns of the bars",
    "computed": "Limits computed from close, return and the dated rule",
    "inferred": "Limits inferred from the return alone",
    "unlimited": "No limit by the rules",
    "unknown": "Limits not known, taken as not reached",
}


def facts_of_tape(study: PortfolioStudy) -> tuple[tuple[str, str], ...]:
    """How price limits are known, how often they were met, which boards, and where the rules come from."""
    facts: dict[str, Any] = dict(study.facts)
    total = sum(float(facts.get(name) or 0) for name in _BASES)
    rows = [
        (words, f"{count(facts[name])} stock-days, {percent(facts[name] / total if total else None)}")
        for name, words in _BASES.items()
        if facts.get(name)
    ]
    if known(facts.get("at_upper")) and known(facts.get("at_lower")):
        rows.append(
            ("Closed at a limit", f"{count(facts['at_upper'])} stock-days at the upper, {count(facts['at_lower'])} at the lower one")
        )
    boards = dict(facts.get("boards") or {})
    if boards:
        rows.append(("Stocks by board", ", ".join(f"{board} {count(held)}" for board, held in boards.items())))
    rows.append(("Market rules", f"{study.rules.get('name', '')}, SHA-256 {str(study.rules.get('digest', ''))[:16]}…"))
    return tuple(rows)


def trials_text(study: PortfolioStudy) -> str:
    """How many trials the log holds."""
    trials = study.trials
    if trials is None:
        return "No log of trials was kept: the figures take one trial, which flatters them."
    return (
        f"The log holds {count(trials.distinct)} distinct settings tried on these data, in {count(trials.recorded)} records "
        f"(last hash {trials.head[:12]}…)."
    )
