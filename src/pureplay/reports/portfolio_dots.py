"""Charts of a portfolio study by score, factor and fold: where costs come from, what it moves with, purged choice."""

from typing import Final

from pureplay.reports.drawing import INK, MUTED, colour, drawn, named_rows, new_figure
from pureplay.reports.formats import DASH, day, label, percent, signed
from pureplay.reports.gallery import Numbers
from pureplay.reports.portfolio_curves import shade
from pureplay.reports.portfolio_rows import controls, is_shuffle, kind_title, kinds, known, plain_rows, score_title, scores
from pureplay.reports.portfolio_sheets import variant_title
from pureplay.reports.study_bases import Drawn
from pureplay.studies.portfolio_records import PortfolioStudy

__all__ = ["correlations", "costs", "folds"]

_COSTS: Final = (("fees", "fees and duties", 0), ("impact", "impact", 2), ("borrow", "borrowed shares", 3))
_SYMBOLS: Final = ("circle", "diamond", "square", "triangle-up")


def costs(study: PortfolioStudy) -> Drawn:
    """Fees, impact and borrowing a year, stacked, a bar an account of the plain design."""
    held = [(score, kind, row) for kind in kinds(study.accounts) for score, row in plain_rows(study, "accounts", kind).items()]
    held = [each for each in held if each[0] in (*scores(study), *controls(study))]
    figure = new_figure("cost a year, %", "", height=110 + 34 * max(len(held), 1))
    at = [len(held) - k for k in range(len(held))]
    for name, said, hue in _COSTS:
        figure.add_bar(
            orientation="h",
            x=[round(100 * row[name], 4) if known(row[name]) else None for _, _, row in held],
            y=at,
            name=said,
            marker_color=colour(hue),
            hovertemplate=f"{said}: %{{x:.2f}} %",
        )
    figure.update_layout(barmode="stack", bargap=0.35, legend_traceorder="normal")
    figure.update_xaxes(ticksuffix=" %", rangemode="tozero")
    names = [f"{label(score, 20)}<br>{kind_title(kind).lower()}" for score, kind, _ in held]
    figure.update_yaxes(tickvals=at, ticktext=names, tickfont_size=11, showgrid=False, zeroline=False)
    rows = tuple(
        (score_title(score), kind_title(kind), *(percent(row[name], 2) for name in ("cost", "fees", "impact", "borrow")))
        for score, kind, row in held
    )
    return drawn(figure), Numbers(("", "Kind", "Cost a year", "Fees", "Impact", "Borrow"), rows)


def correlations(study: PortfolioStudy) -> Drawn:
    """Rank correlation with each factor (filled) and correlation of paper returns (open)."""
    frame = study.correlations
    names = [each for each in frame["factor"].unique(maintain_order=True) if not is_shuffle(each)]
    others = [each for each in (*scores(study), *controls(study)) if each in names]
    names = [*others, *(each for each in names if each not in others)]
    figure = new_figure("correlation", "", height=110 + 25 * max(len(names), 1))
    for place, score in enumerate(frame["score"].unique(maintain_order=True)):
        held = {row["factor"]: row for row in frame.filter(score=score).to_dicts()}
        shift = 0.22 * ((place % 3) - 1)
        for column, suffix in (("rank", ""), ("returns", "-open")):
            found = [(k, held[name][column]) for k, name in enumerate(names) if name in held and known(held[name][column])]
            figure.add_scatter(
                x=[round(value, 4) for _, value in found],
                y=[len(names) - k - shift for k, _ in found],
                customdata=[label(names[k]) for k, _ in found],
                name=f"{label(score)}, {'ranks' if column == 'rank' else 'returns'}",
                mode="markers",
                marker={"size": 7, "color": shade(study, score), "symbol": f"{_SYMBOLS[place % len(_SYMBOLS)]}{suffix}"},
                hovertemplate="%{customdata}: %{x:+.3f}",
            )
    figure.update_xaxes(range=[-1.05, 1.05], zeroline=True, zerolinecolor=MUTED)
    figure.update_yaxes(
        tickvals=[len(names) - k for k in range(len(names))], ticktext=[label(each, 16) for each in names], tickfont_size=11
    )
    figure.update_yaxes(range=[0.3, len(names) + 0.7], zeroline=False)
    rows = tuple((row["score"], row["factor"], signed(row["rank"]), signed(row["returns"])) for row in frame.to_dicts())
    return drawn(figure), Numbers(("", "With", "Ranks", "Returns"), tuple(_dashed(row) for row in rows))


def _dashed(row: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(DASH if each is None else each for each in row)


def folds(study: PortfolioStudy, kind: str) -> Drawn:
    """The variant that the other folds would have chosen: its Sharpe ratio there (open) and on the fold itself (filled)."""
    held = study.folds.filter(kind=kind).sort("fold").to_dicts()
    names = [f"{day(row['first'])[:7]} to {day(row['last'])[:7]}: {variant_title(row['chosen'])}" for row in held]
    figure = named_rows("Sharpe ratio a grid period", names)
    for column, said, symbol, hue in (("train", "where it was chosen", "circle-open", INK), ("test", "on the fold", "circle", colour(0))):
        found = [(k, row[column]) for k, row in enumerate(held) if known(row[column])]
        figure.add_scatter(
            x=[round(value, 4) for _, value in found],
            y=[len(held) - k - 0.7 for k, _ in found],
            name=said,
            mode="markers",
            marker={"size": 9, "color": hue, "symbol": symbol},
            hovertemplate="%{x:+.3f}",
        )
    rows = tuple(
        (
            str(row["fold"]),
            f"{day(row['first'])} to {day(row['last'])}",
            variant_title(row["chosen"]),
            signed(row["train"]),
            signed(row["test"]),
        )
        for row in held
    )
    return drawn(figure), Numbers(("Fold", "Dates", "Chosen", "Train", "Test"), rows, words=3)
