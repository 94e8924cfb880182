"""What the study of the business-mix factors says in plain language."""

from collections.abc import Mapping
from typing import Any, Final

from pureplay.reports.formats import DASH, NO_BREAK, count, enumerate_words, percent, signed
from pureplay.studies.business_mix_records import BusinessMixStudy
from pureplay.studies.headline import published

__all__ = ["NOT_COMPARABLE", "basis", "comparable", "conclusion", "facts", "lead", "shares", "terms", "units"]

NOT_COMPARABLE: Final = "published: monthly, not comparable"
_MONTH: Final = 20  # sessions of horizon and grid of the published figures

_ANSWERED: Final = {
    "share_products": "pure plays",
    "share_parent": "parent product",
    "share_industry": "industry",
    "share_synthetic": "synthetic basket",
    "share_uncovered": "nothing",
}

_GLOSSARY: Final = (
    (
        "Momentum",
        "Sum over the window of implied less own return: what the stock's products did and the stock did not. Higher is bullish.",
    ),
    (
        "Residual volatility",
        "Standard deviation of own less implied return over the window. Its IC is printed as the source signs it, so a negative one "
        "is the profitable direction, and the portfolio holds the lowest fifth against the highest.",
    ),
    ("Composite", "Half the z-score of momentum less half that of residual volatility."),
    (
        "Rank IC, ICIR",
        "Spearman correlation across stocks of score and return ahead; its mean over its standard deviation on dates a grid apart, per "
        "period, not annualised. The headline is the mean over all starts of the grid; in brackets the smallest and the largest.",
    ),
    ("Win rate", "Share of grid dates on which the IC has the profitable sign."),
    (
        "EWC t",
        "A t statistic that allows for overlapping windows (8 degrees of freedom): chance alone passes ±2.306 one time in twenty.",
    ),
    (
        "Long-short on paper",
        "Equal-weight top fifth less bottom fifth, cut before returns are joined, traded at the close a session later, held to the next "
        "rebalance; gross exposure 2, no costs, price limits or bans on short sales. Mean daily return times sessions a year. A mean of "
        "returns and a rank IC can differ in sign where the returns of one end are skewed.",
    ),
    (
        "Turnover",
        "One way, share of a leg that changes hands at a rebalance, mean of both legs. The published figure is of a long-only portfolio.",
    ),
    ("Purity", "Share of revenue from one product that makes a firm a pure play of it."),
    (
        "Fallback",
        "What stands in for a product without enough pure plays: its parent product, the stock's industry, or an equal-weight basket of "
        "every stock with any revenue from it.",
    ),
    (
        "Control own_only",
        "The identical score with the market in place of products, on the same names and dates: no product information, only the "
        "stock's own past.",
    ),
    (
        "Paired t, nested t",
        "Test of the daily difference of IC, signal less control; and of the IC that is left once all controls are taken out.",
    ),
)


def lead(study: BusinessMixStudy) -> str:
    """One paragraph: what the composite did, what it would have done without products, and where its implied returns come from."""
    window = study.windows[0]
    row, own, theirs = study.row("composite", window), study.row("composite", window, "own_only"), published("business_mix")
    if row["mean_ic"] is None:
        return f"The composite over {window} sessions cannot be evaluated: {row['reason']}."
    beside = {name: f"published {theirs[name]}" if comparable(study) else "" for name in theirs}
    mean, icir, earned = (beside[f"composite {each}"] for each in ("mean IC", "ICIR", "long-short return"))
    parts = [
        f"The composite over {window} sessions has a mean rank IC of {_percent(row['mean_ic'])} (t {signed(row['ic_t'], 2)}"
        f"{mean and f'; {mean}'}) and an ICIR of {signed(row['icir'], 2)}{icir and f' ({icir})'}"
        f"{'' if comparable(study) else f' ({NOT_COMPARABLE})'}."
    ]
    if row["ls_return"] is not None:
        parts.append(
            f"On paper, before costs, its top fifth earned {_percent(row['ls_return'])} a year over its bottom fifth"
            f"{earned and f' ({earned})'}."
        )
    if own["icir"] is not None:
        parts.append(f"The same score without products, own_only, has an ICIR of {signed(own['icir'], 2)} on the same names and dates.")
    parts.append(conclusion(study))
    if row["share_products"] is not None:
        parts.append(f"The revenue of scored stocks is answered by {shares(row)}.")
    return " ".join(parts)


def comparable(study: BusinessMixStudy) -> bool:
    """Whether horizon and grid are those of the published figures, 20 sessions each."""
    return study.evaluation.get("horizon_sessions") == study.evaluation.get("grid_sessions") == _MONTH


def basis(study: BusinessMixStudy) -> str:
    """Horizon and grid of the figures, in words."""
    horizon, grid = (study.evaluation.get(f"{name}_sessions") for name in ("horizon", "grid"))
    return f"IC with the return over {_sessions(horizon)}, rebalanced every {_sessions(grid)}"


def _sessions(value: Any) -> str:
    return "an unknown number of sessions" if value is None else f"{count(value)} session{'s' * (value != 1)}"


def conclusion(study: BusinessMixStudy) -> str:
    """Whether products earn it, from the paired and nested tests."""
    judged = study.verdict
    if judged is None:
        return f"Whether products earn it is not tested: {study.not_evaluable}."
    said = [f"against {each.name} the paired t is {signed(each.paired.t, 2)}" for each in judged.controls if not each.identical]
    if judged.nested is not None:
        said.append(f"beyond the controls the nested t is {signed(judged.nested.test.t, 2)}")
    found = {
        "not found": "Product information is not found to earn it",
        "found": "Product information earns it",
        "not decidable": "Whether product information earns it is open: no test fails, but shuffles of the mixes within industries, "
        "which are a part of pureplay run, are not made here",
    }[judged.product_information]
    return f"{found}: {enumerate_words(said)}." if said else f"{found}."


def shares(row: Mapping[str, Any]) -> str:
    """Shares of revenue by what answered it, such as "pure plays 64 %, parent product 31 % and nothing 5 %"."""
    known = {said: row[name] for name, said in _ANSWERED.items() if row.get(name) is not None}
    return enumerate_words(f"{said} {percent(value)}" for said, value in known.items()) or DASH


def units() -> Mapping[str, str]:
    """Column of shares → what it is called."""
    return _ANSWERED


def terms() -> tuple[tuple[str, str], ...]:
    """What each figure of the page means."""
    return _GLOSSARY


def facts(study: BusinessMixStudy) -> tuple[tuple[str, str], ...]:
    """Size and span of the data, and what was scored."""
    data, row = study.data, study.row("composite", study.windows[0])
    return (
        ("Dates", f"{data['first']} to {data['last']}"),
        ("Sessions", count(data["sessions"])),
        ("Stocks", count(data["assets"])),
        ("Names a date with an IC", count(row["names"])),
        ("Names a leg", count(row["leg_names"])),
        ("Scored of the universe", percent(row["coverage"])),
        ("Sectors", f"neutral within {study.sector_scheme}" if study.sector_scheme else "not neutral"),
    )


def _percent(value: float | None) -> str:
    return DASH if value is None else f"{signed(100 * value, 2)}{NO_BREAK}%"
