"""Studies as terminal tables."""

from collections.abc import Mapping

from rich.table import Table

from pureplay.evaluate.records import OrthogonalICIR
from pureplay.reports.opening import opening
from pureplay.studies.records import ConstructionStudy, MomentumStudy, ProductStudy

__all__ = ["describe_study", "side_by_side", "study_tables"]


def side_by_side(studies: Mapping[str, MomentumStudy]) -> Table:
    """Headline figures, one column a study; a row that a study lacks shows a dash."""
    table = Table(title="Product momentum, construction R, 20 sessions ahead", title_justify="left")
    table.add_column("")
    for name in studies:
        table.add_column(name, justify="right")
    columns = [_headline(each) for each in studies.values()]
    for row in dict.fromkeys(name for column in columns for name in column):
        table.add_row(row, *(column.get(row, "–") for column in columns))
    return table


def _headline(study: MomentumStudy) -> dict[str, str]:
    judged = study.verdict
    if judged is None:
        return {"not evaluable": str(study.not_evaluable)}
    rows = {
        "raw ICIR": f"{judged.raw.icir:+.3f}",
        f"ICIR orthogonal to the base of {len(judged.base)}": f"{judged.icir:+.3f}",
        "   offsets positive": f"{judged.orthogonal.n_positive} of {len(judged.orthogonal.offsets)}",
        "   EWC t (Newey-West)": f"{judged.orthogonal.test.t:+.2f} ({judged.orthogonal.newey_west_t:+.2f})",
        "   variance left by the base": f"{100 * judged.variance_left:.0f} %",
    }
    for each in judged.controls:
        rows[f"control {each.name}: orthogonal ICIR"] = f"{each.orthogonal.icir:+.3f}"
        rows[f"   signal - {each.name}, paired t"] = f"{each.paired.t:+.2f}"
    return rows | _beyond(judged)


def _beyond(judged: OrthogonalICIR) -> dict[str, str]:
    rows = {}
    if judged.nested is not None:
        rows["beyond base and controls: ICIR"] = f"{judged.nested.icir:+.3f}"
        rows["   nested t"] = f"{judged.nested.test.t:+.2f}"
    if judged.shuffled_t:
        rows[f"   nested t of {len(judged.shuffled_t)} within-industry shuffles"] = (
            f"{min(judged.shuffled_t):+.2f} to {max(judged.shuffled_t):+.2f}"
        )
    return rows | {"product information": judged.product_information}


def describe_study(study: MomentumStudy) -> str:
    """Verdict, components and coverage of a study as text."""
    counted = study.to_dict()["coverage"]
    lines = [f"{study.name}{' (synthetic data)' if study.synthetic else ''}", opening(study.verdict, study.trials)]
    lines.append(
        f"  {counted['scored_rows']} scores on {counted['dates_with_scores']} dates ({counted['first']} to {counted['last']}), "
        f"{counted['median_scored'] or 0:.0f} names a date of {counted['median_traded'] or 0:.0f} that trade"
    )
    if study.verdict is None:
        lines.append(f"  not evaluable: {study.not_evaluable}")
    else:
        lines.append(str(study.verdict))
    lines.append("  raw rank ICs:")
    lines += [
        f"    {name}: ICIR {each.icir:+.3f}, mean IC {each.mean:+.4f}, EWC t {each.test.t:+.2f}" for name, each in study.components.items()
    ]
    lines += [f"  {row['level']}: {row['table']}: {row['rule']} ({row['count']}): {row['remedy']}" for row in study.refused.to_dicts()]
    return "\n".join(lines)


def study_tables(study: ProductStudy) -> list[Table | str]:
    """The source's table beside the published figures, the verdicts, and what a reader should know."""
    out: list[Table | str] = []
    if study.synthetic:
        out.append("Synthetic data: a simulated market, not evidence about any real one.")
    for name, each in study.constructions.items():
        if each.verdict is None:
            out.append(f"Construction {name} is not evaluable: {each.not_evaluable}")
            continue
        out += [_headline_table(study, name), opening(each.verdict, study.trials), _verdict_text(each)]
    out += [f"note: {note}" for note in study.notes]
    return out


def _headline_table(study: ProductStudy, construction: str) -> Table:
    table = Table(
        title=f"Construction {construction}, base of {len(study.base['names'])} factors ({study.base['kind']})", title_justify="left"
    )
    for column, justify in (
        ("finding", "left"),
        ("ours", "right"),
        ("published", "right"),
        ("s.e.", "right"),
        ("null 95 %", "right"),
        ("n", "right"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for row in study.headline.filter(construction=construction).to_dicts():
        spread = "" if row["se"] is None else f"{row['se']:.3f}"
        null = "" if row["null_low"] is None else f"[{row['null_low']:+.2f}, {row['null_high']:+.2f}]"
        table.add_row(row["finding"], row["ours"], row["published"], spread, null, "" if row["n"] is None else f"{row['n']} {row['n_of']}")
    return table


def _verdict_text(each: ConstructionStudy) -> str:
    judged = each.verdict
    if judged is None:
        return ""
    lines = [f"raw ICIR {judged.raw.icir:+.3f}; the base leaves {100 * judged.variance_left:.1f} % of the signal's variance"]
    lines += [f"{name}: ICIR {figure.icir:+.3f}, EWC t {figure.test.t:+.2f}" for name, figure in each.bases.items()]
    return "\n".join(
        [*lines, *(f"{name}: {text}" for name, text in _beyond(judged).items()), *(f"left out: {one}" for one in each.skipped)]
    )
