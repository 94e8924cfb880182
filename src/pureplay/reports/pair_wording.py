"""What the page of a pair says in words: what links the two, how far the figures can be read, what each term means."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from pureplay.graph.story_records import PairStory
from pureplay.reports.formats import DASH, count, day, enumerate_words, number, percent, signed

__all__ = ["LAMPS", "basis", "called", "facts", "headline", "no_articles", "terms", "warnings"]

LAMPS: Final = {
    "product_peer": "Shallow product peer",
    "deep_peer": "Deep product peer",
    "chain": "Input chain",
    "disclosed": "Disclosed customer or supplier",
    "affiliate": "Affiliate",
    "bid": "Tender bid",
}

_NOUNS: Final = {
    "deep_peer": "a deep common product",
    "chain": "an input chain",
    "disclosed": "a disclosed customer or supplier link",
    "affiliate": "common ownership",
}
_RETURNS: Final = {
    "raw": "daily returns",
    "market": "daily returns less the mean of the market",
    "industry": "daily returns less the mean of the industry",
}


def called(story: PairStory, side: str, *, short: bool = False) -> str:
    """Name and code of side "a" or "b"; short: the name alone where there is one."""
    code, name = getattr(story, side), getattr(story, f"name_{side}")
    return str(code if not name else name if short else f"{name} ({code})")


def headline(story: PairStory) -> str:
    """One paragraph: confirmed by what, dark, or not co-mentioned; then both correlations."""
    return f"{_link(story)} {_figures(story)}"


def _link(story: PairStory) -> str:
    lit = story.evidence.filter(pl.col("lit"))["lamp"].unique(maintain_order=True).to_list()
    nouns = [_NOUNS[each] for each in lit if each in _NOUNS]
    nouns = nouns or (["a shallow common product"] if story.confirmed else [])
    when = f"up to {day(story.date)}"
    if story.comention_strength is None:
        news = f"The graph is made without news; known on {day(story.date)}."
    elif story.comention_strength > 0:
        news = f"News names them together on {_plural(story.comention_days or 0, 'session')} of the {story.calendar_days} days {when}."
    else:
        news = f"Not co-mentioned: no article of the {story.calendar_days} days {when} names both."
    if story.confirmed:
        return f"Confirmed by {enumerate_words(nouns)}. {news}"
    if story.dark:
        return f"Dark: no structural link between the two is known. {news}"
    if not story.mapped:
        return f"Neither confirmed nor dark: one of the two has no entry in the product tree. {news}"
    return f"{news} No structural link between the two is known either."


def _figures(story: PairStory) -> str:
    if story.trailing_corr is None:
        past = f"Their trailing correlation over {story.trailing_sessions} sessions cannot be measured"
    else:
        past = f"Their correlation over the last {story.trailing_sessions} sessions was {signed(story.trailing_corr)}"
    if story.forward_corr is not None:
        later = f"over the next {story.forward_sessions} it was {signed(story.forward_corr)}"
    elif story.note:
        later = f"over the next {story.forward_sessions} it is not shown ({story.note})"
    elif story.forward_overlap is None:
        later = f"the data end before the next {story.forward_sessions} do"
    else:
        later = f"over the next {story.forward_sessions} it cannot be measured"
    expected = "" if story.expected_fwd_corr is None else f" The model expected {signed(story.expected_fwd_corr)}."
    return f"{past}; {later}.{expected}"


def facts(story: PairStory) -> tuple[tuple[str, str], ...]:
    """The figures of the head of the page."""
    status = (
        "confirmed" if story.confirmed else "dark" if story.dark else "not co-mentioned" if story.comention_strength == 0 else "neither"
    )
    forward = f"forward, {story.forward_sessions}"
    return (
        ("Vintage", day(story.date)),
        ("Status", status),
        (f"Correlation trailing, {story.trailing_sessions}", signed(story.trailing_corr)),
        ("Expected", signed(story.expected_fwd_corr)),
        (f"Correlation {forward}", signed(story.forward_corr)),
        ("Common days", f"{count(story.trailing_overlap)}; {count(story.forward_overlap)}"),
        ("Articles", DASH if story.comention_strength is None else count(story.articles.height)),
        ("Sessions with one", count(story.comention_days)),
    )


def warnings(story: PairStory) -> Iterator[str]:
    """What keeps a correlation from being read at face value: one day that makes most of it, few common days, a size above 1."""
    daily = story.contributions()
    for name in ("trailing", "forward"):
        rho, days = getattr(story, f"{name}_corr"), daily.filter(window=name).drop_nulls("contribution")
        if rho is None or not days.height:
            continue
        top = days.sort(pl.col("contribution") * (1 if rho >= 0 else -1), "date", descending=[True, False]).row(0, named=True)
        adds = top["contribution"]
        if rho and adds / rho > 0.5:
            yield (
                f"One day makes more than half of the {name} correlation: {day(top['date'])} adds {signed(adds)} of {signed(rho)} "
                f"({percent(adds / rho, 0)}). The other days together add {signed(rho - adds)}."
            )
        overlap, sessions = getattr(story, f"{name}_overlap"), getattr(story, f"{name}_sessions")
        if 3 * overlap < 2 * sessions:
            yield f"Both traded on only {count(overlap)} of the {count(sessions)} {name} sessions; {_thin(story)}"
        if abs(rho) > 1:
            yield f"The {name} correlation of {signed(rho)} exceeds 1 in size: the common days are the loud part of both windows."


def _thin(story: PairStory) -> str:
    if story.measure == "pearson":
        return "a correlation on so few days is uncertain."
    return "the measure divides by two thirds of the window and so shrinks the correlation towards 0."


def basis(story: PairStory) -> str:
    """How both correlations are measured."""
    what = f"of {_RETURNS[story.returns]}"
    if story.measure == "pearson":
        return f"Both windows: the ordinary correlation {what} over the days on which both traded."
    return (
        f"Both windows: the sum over common days of the products of z-scores {what}, each stock over its own days, over the larger of the "
        "common days and two thirds of the window."
    )


def no_articles(story: PairStory) -> str:
    """What stands in the place of the articles where there is none."""
    if story.comention_strength is None:
        return "The graph is made without news."
    return f"No article of the {story.calendar_days} days up to {day(story.date)} names both."


def terms(story: PairStory) -> tuple[tuple[str, str], ...]:
    """Glossary of the page."""
    return (
        ("Vintage", "The session whose close ends the trailing window; all but the forward window is as known then."),
        ("Lamp", "A structural link that is lit when the data show it: deep product peer, input chain, disclosed link, affiliate."),
        ("Confirmed", "At least one lamp is lit."),
        ("Dark", "Named together in the news, but no lamp is lit and both have an entry in the product tree."),
        ("Known since", "The first day on which the fact could be used; a dash where it is undated."),
        ("Tender bid", "Named together as bidders; it lights no lamp and is kept as a negative control."),
        ("Expected", "Forecast of the forward correlation from the trailing one and the lamps; a dash where no model can give it."),
        ("Counts for", "An article after the close, or on a day without session, counts for the next session."),
        ("Names", f"How many stocks the article names. Window of the articles: {number(story.calendar_days, 0)} calendar days."),
    )


def _plural(value: int, noun: str) -> str:
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"
