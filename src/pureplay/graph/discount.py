"""The user's own correlation matrix, with the correlations that nothing structural explains taken down."""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from pureplay.errors import SettingError, TableError
from pureplay.frames import AnyFrame, to_polars
from pureplay.graph.nearest_correlation import nearest_correlation
from pureplay.panel import BoolArray, FloatArray
from pureplay.stats.given import is_number

__all__ = ["DiscountMethod", "discount", "discount_factors", "pair_factors"]

DiscountMethod = Literal["retention", "expected"]
Matrix = TypeVar("Matrix")

_LONG: Final = ("a", "b", "correlation")
_SMALLEST: Final = 0.05  # trailing correlations below it are no base for a ratio
_ROUNDING: Final = 1e-8  # what a matrix written to a file and read again may be off by


def discount(
    correlation: Matrix,
    edges: AnyFrame,
    *,
    assets: list[str] | tuple[str, ...] | None = None,
    method: DiscountMethod = "retention",
    dark_factor: float = 0.8,
    unlisted_factor: float = 1.0,
    largest_ratio: float = 1.2,
    strength: float = 1.0,
) -> Matrix:
    """The matrix with its dark pairs discounted: symmetric, unit diagonal, no eigenvalue below -1e-10, of the kind that was given.

    correlation: polars frame with a column `asset` and one column an asset; polars frame a, b, correlation with each pair once or
    both ways (the diagonal may be left out), or pandas frame of these columns; pandas frame with the assets as index and columns; or a
    numpy array with `assets`. Assets are codes as text.
    edges: one vintage of the comovement_edges feed, a frame of any kind: ts_a, ts_b, dark,
    for "expected" also trailing_corr and expected_fwd_corr.

    Pairs that the graph confirms keep their correlation; dark pairs have it multiplied by dark_factor, or with method "expected" by
    expected_fwd_corr / trailing_corr between 0 and largest_ratio (by dark_factor where either is null, or the trailing one is below 0.05
    in size). dark_factor is yours to set: 0.8 is a round number, and the retention of dark over that of confirmed pairs in your
    own study is a better one. Pairs that the graph does not list are multiplied by unlisted_factor. strength: 1 applies the factors
    in full, 0 not at all.

    Where the result has a negative eigenvalue the nearest correlation matrix is taken (`nearest_correlation`). It moves every pair a
    little, and a good deal of what was asked for is lost where the matrix has more names than days behind it: such a matrix is
    singular, so no single correlation can change alone. Shrink it first. Edges of other assets are passed over.

    Raises SettingError, and TableError for a matrix that is not symmetric, has NaN, a diagonal other than 1, values beyond 1 or
    an asset twice, for codes that are not text, and where no asset is in the graph.
    """
    given: Any = correlation
    values, names = _read(given, assets)
    factors = discount_factors(
        names,
        edges,
        method=method,
        dark_factor=dark_factor,
        unlisted_factor=unlisted_factor,
        largest_ratio=largest_ratio,
        strength=strength,
    )
    found: Any = _written(given, nearest_correlation(values * factors), names)
    return found  # type: ignore[no-any-return]


def discount_factors(
    assets: list[str] | tuple[str, ...],
    edges: AnyFrame,
    *,
    method: DiscountMethod = "retention",
    dark_factor: float = 0.8,
    unlisted_factor: float = 1.0,
    largest_ratio: float = 1.2,
    strength: float = 1.0,
) -> FloatArray:
    """What `discount` multiplies each pair's correlation by: (assets, assets), symmetric, 1 on the diagonal; same settings and errors."""
    _require_share("unlisted_factor", unlisted_factor)
    _require_share("strength", strength)
    listed = _listed(assets, to_polars(edges, "edges"), method)
    trailing, expected = (
        listed[name].cast(pl.Float64).fill_null(np.nan).to_numpy() if method == "expected" else np.full(listed.height, np.nan)
        for name in ("trailing_corr", "expected_fwd_corr")
    )
    factor = pair_factors(
        listed["dark"].to_numpy(), trailing, expected, method=method, dark_factor=dark_factor, largest_ratio=largest_ratio
    )
    out = np.full((len(assets), len(assets)), float(unlisted_factor))
    a, b = listed["_a"].to_numpy(), listed["_b"].to_numpy()
    out[a, b] = out[b, a] = factor
    np.fill_diagonal(out, 1.0)
    return np.asarray(1.0 + strength * (out - 1.0))


def pair_factors(
    dark: BoolArray,
    trailing: FloatArray,
    expected: FloatArray,
    *,
    method: DiscountMethod = "retention",
    dark_factor: float = 0.8,
    largest_ratio: float = 1.2,
) -> FloatArray:
    """Factor of each listed pair, see `discount`; NaN stands for a correlation that is not known. Raises SettingError."""
    if method not in ("retention", "expected"):
        raise SettingError(f"method must be 'retention' or 'expected', not {method!r}")
    _require_share("dark_factor", dark_factor)
    if not (is_number(largest_ratio) and 0 < largest_ratio < np.inf):
        raise SettingError(f"largest_ratio must be above 0, not {largest_ratio!r}: 1.2 is usual")
    factor = np.where(dark, dark_factor, 1.0)
    if method == "retention":
        return factor
    known = dark & (np.abs(trailing) >= _SMALLEST) & np.isfinite(expected)
    ratio = np.divide(expected, trailing, out=np.ones_like(trailing), where=known)
    return np.where(known, np.clip(ratio, 0.0, largest_ratio), factor)


def _require_share(name: str, value: float) -> None:
    if not (is_number(value) and 0 <= value <= 1):
        raise SettingError(f"{name} must lie between 0 and 1, not {value!r}")


def _listed(assets: list[str] | tuple[str, ...], edges: pl.DataFrame, method: str) -> pl.DataFrame:
    """The edges between two of the assets, with their positions."""
    wanted = ["ts_a", "ts_b", "dark", *(("trailing_corr", "expected_fwd_corr") if method == "expected" else ())]
    absent = [name for name in wanted if name not in edges.columns]
    if absent:
        raise TableError(f"edges lack {', '.join(absent)}; they have {', '.join(edges.columns)}: give one vintage of comovement_edges")
    if edges["dark"].dtype != pl.Boolean or edges["dark"].null_count():
        raise TableError(f"dark is {edges['dark'].dtype} with {edges['dark'].null_count()} nulls: it must be true or false on every edge")
    _require_codes(assets)
    out = edges.select(pl.col("ts_a", "ts_b").cast(pl.String), *wanted[2:])
    if assets and not pl.concat([out["ts_a"], out["ts_b"].rename("ts_a")]).is_in(list(assets)).any():
        raise TableError(
            f"none of the {len(assets)} assets is in the graph of this vintage, which names {', '.join(out['ts_a'].head(3)) or 'no pair'}; "
            f"the assets are {', '.join(assets[:3])}: give them the codes of the graph"
        )
    place = pl.DataFrame({"_name": list(assets), "_place": range(len(assets))}, schema={"_name": pl.String, "_place": pl.Int64})
    for end in ("a", "b"):
        out = out.join(place.rename({"_name": f"ts_{end}", "_place": f"_{end}"}), on=f"ts_{end}", how="inner")
    low, high = pl.min_horizontal("_a", "_b"), pl.max_horizontal("_a", "_b")
    twice = out.height - out.select(low.alias("low"), high.alias("high")).unique().height
    alone = int((out["_a"] == out["_b"]).sum())
    if twice or alone:
        raise TableError(f"edges list {twice} pairs twice and {alone} names with themselves: give one vintage, each pair once")
    return out


def _require_codes(assets: list[str] | tuple[str, ...]) -> None:
    given: Sequence[object] = assets
    strange = [each for each in given if not isinstance(each, str)]
    if strange:
        raise TableError(
            f"{len(strange)} of the {len(assets)} assets are no text, such as {strange[0]!r}: give codes as the graph has them, '600519.SH'"
        )


def _long_frame(given: Any) -> pl.DataFrame | None:
    """Rows a, b, correlation of a polars or pandas frame that has them; None for a matrix."""
    if isinstance(given, pl.DataFrame):
        return given if set(_LONG) <= set(given.columns) else None
    if not _is_pandas(given) or not set(_LONG) <= {*given.columns, *given.index.names} or list(given.index) == list(given.columns):
        return None
    return to_polars(given, "correlation")


def _is_pandas(given: Any) -> bool:
    return hasattr(given, "to_numpy") and hasattr(given, "index") and hasattr(given, "columns")


def _read(given: Any, assets: list[str] | tuple[str, ...] | None) -> tuple[FloatArray, list[str]]:
    if isinstance(given, np.ndarray):
        if assets is None:
            raise SettingError("an array says nothing of its assets: give assets=[…] in the order of its rows")
        return _checked(given, list(assets))
    if assets is not None:
        raise SettingError("a frame names its assets itself: leave assets out")
    long = _long_frame(given)
    if long is not None:
        return _from_long(long)
    if isinstance(given, pl.DataFrame):
        return _from_wide(given)
    if _is_pandas(given):
        rows, columns = list(given.index), list(given.columns)
        if rows != columns:
            raise TableError(f"the index ({len(rows)}) and the columns ({len(columns)}) differ: both must be the assets, in one order")
        return _checked(given.to_numpy(), rows)
    raise SettingError(f"a correlation matrix is a polars or pandas frame or an array, not a {type(given).__name__}: convert it")


def _from_wide(frame: pl.DataFrame) -> tuple[FloatArray, list[str]]:
    if "asset" not in frame.columns:
        raise TableError(
            f"the frame has no column asset ({', '.join(frame.columns[:5])} …): name the rows there, or give a, b, correlation"
        )
    names = frame["asset"].cast(pl.String).to_list()
    absent = sorted({str(name) for name in names} ^ (set(frame.columns) - {"asset"}))
    if absent:
        raise TableError(f"{len(absent)} assets have a row or a column alone, such as {', '.join(absent[:3])}: give both")
    return _checked(frame.select(names).to_numpy() if len(set(names)) == len(names) else np.empty((0, 0)), names)


def _from_long(frame: pl.DataFrame) -> tuple[FloatArray, list[str]]:
    a, b = (frame[name].cast(pl.String) for name in ("a", "b"))
    names = pl.concat([a, b.alias("a")]).unique().sort().to_list()
    kind = pl.Enum(names) if None not in names else pl.String
    if kind == pl.String:
        raise TableError(f"{a.null_count() + b.null_count()} rows of the matrix name no asset: drop them")
    one, two = (each.cast(kind).to_physical().to_numpy().astype(np.int64) for each in (a, b))
    twice = frame.height - np.unique(one * len(names) + two).size
    if twice:
        raise TableError(f"{twice} rows repeat a pair: give each pair once, or once each way")
    values = np.full((len(names), len(names)), np.nan)
    found = frame["correlation"].cast(pl.Float64).to_numpy()
    values[one, two] = found
    values = np.where(np.isnan(values), values.T, values)
    alone = np.isnan(np.diag(values)) & ~np.isin(np.arange(len(names)), one[one == two])
    values[alone, alone] = 1.0
    return _checked(values, names)


def _checked(values: npt.NDArray[Any], names: list[str]) -> tuple[FloatArray, list[str]]:
    twice = sorted({str(name) for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise TableError(f"{len(twice)} assets appear more than once, such as {', '.join(twice[:3])}: keep one row and column of each")
    if values.ndim != 2 or values.shape != (len(names), len(names)):
        raise TableError(f"the matrix has shape {values.shape} for {len(names)} assets: give a row and a column for each")
    try:
        out = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TableError(f"the matrix holds something other than numbers ({error}): convert it") from error
    for what, wrong, remedy in (
        ("are missing or not finite", ~np.isfinite(out), "fill them or leave those assets out"),
        ("differ from the one across the diagonal", np.abs(out - out.T) > _ROUNDING, "give a symmetric matrix, such as (m + m.T) / 2"),
        ("on the diagonal are not 1", np.diag(np.abs(np.diag(out) - 1) > _ROUNDING), "divide by the standard deviations of both"),
        ("lie beyond 1 in size", np.abs(out) > 1 + _ROUNDING, "clip them or measure them on common days"),
    ):
        if wrong.any():
            row, column = (int(each[0]) for each in np.nonzero(wrong))
            raise TableError(
                f"{int(wrong.sum())} correlations {what}, first {names[row]} with {names[column]} ({out[row, column]:g}): {remedy}"
            )
    out = (out + out.T) / 2
    np.fill_diagonal(out, 1.0)
    return out, names


def _written(given: Any, values: FloatArray, names: list[str]) -> Any:
    if isinstance(given, np.ndarray):
        return values
    long = _long_frame(given)
    if long is not None:
        place = {name: row for row, name in enumerate(names)}
        one, two = ([place[name] for name in long[end].cast(pl.String)] for end in ("a", "b"))
        found = values[one, two]
        is_polars = isinstance(given, pl.DataFrame)
        return given.with_columns(correlation=pl.Series(found, dtype=pl.Float64)) if is_polars else given.assign(correlation=found)
    if not isinstance(given, pl.DataFrame):
        return type(given)(values, index=given.index, columns=given.columns)
    wide = pl.DataFrame(values, schema=dict.fromkeys(names, pl.Float64)).with_columns(asset=given["asset"])
    return wide.select(given.columns)
