"""Schemas of the canonical tables: columns, units, keys and row rules.

Every column carries its unit and an English and a Chinese description. Row rules say what a single row must satisfy; rules that need
other rows or other tables live in `pureplay.checks` and `pureplay.crosschecks`. Tables that link securities: `pureplay.schemas_links`.
Read them through `pureplay.tables`.
"""

from typing import Final

import dataframely as dy
import polars as pl

from pureplay.column_facts import facts as _is

__all__ = [
    "STATEMENT_ITEMS",
    "STATUS_KINDS",
    "UNMAPPED",
    "Assets",
    "Bars",
    "Benchmarks",
    "Dividends",
    "Factors",
    "Filings",
    "IndexMembers",
    "Industries",
    "Scores",
    "Segments",
    "Statements",
    "Status",
    "Taxonomy",
]

UNMAPPED: Final = "unmapped"
"""Reserved product of revenue that belongs to no node of the taxonomy: it counts in the total only."""

STATEMENT_ITEMS: Final = (
    "revenue", "cost_of_sales", "net_income", "operating_cash_flow", "total_assets", "book_equity", "total_debt", "long_term_debt",
    "preferred_equity", "shares",
)  # fmt: skip
"""Items of financial statements: the first four cumulative within the fiscal year, the others as they stand at the period's end."""

STATUS_KINDS: Final = ("ST", "suspended", "delisting", "code_change")
"""What a row of `status` may say: special treatment, no trading, the delisting period, another code from then on."""


def _positive(name: str) -> pl.Expr:
    return pl.col(name).is_null() | (pl.col(name) > 0)


def _not_negative(name: str) -> pl.Expr:
    return pl.col(name).is_null() | (pl.col(name) >= 0)


class Bars(dy.Schema):
    """Daily bars. A suspended stock has no row, or a row with volume 0."""

    date = dy.Date(primary_key=True, metadata=_is("session", "trading session", "交易日", required=True))
    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    open = dy.Float64(nullable=True, metadata=_is("CNY", "raw opening price", "开盘价"))
    high = dy.Float64(nullable=True, metadata=_is("CNY", "raw highest price", "最高价"))
    low = dy.Float64(nullable=True, metadata=_is("CNY", "raw lowest price", "最低价"))
    close = dy.Float64(nullable=True, metadata=_is("CNY", "raw closing price", "收盘价"))
    ret = dy.Float64(
        nullable=True, metadata=_is("decimal", "total simple return since the previous traded close", "日收益率", required=True)
    )
    volume = dy.Float64(nullable=True, metadata=_is("shares", "traded shares; 0 marks a suspended day", "成交量"))
    amount = dy.Float64(nullable=True, metadata=_is("CNY", "traded value", "成交额"))
    float_cap = dy.Float64(nullable=True, metadata=_is("CNY", "free-float market value at the close", "流通市值"))
    total_cap = dy.Float64(nullable=True, metadata=_is("CNY", "total market value at the close", "总市值", required=True))
    limit_up = dy.Float64(nullable=True, metadata=_is("CNY", "upper price limit of the session", "涨停价"))
    limit_down = dy.Float64(nullable=True, metadata=_is("CNY", "lower price limit of the session", "跌停价"))

    @dy.rule()
    def price_not_positive(cls) -> pl.Expr:
        return _positive("open") & _positive("high") & _positive("low") & _positive("close")

    @dy.rule()
    def cap_not_positive(cls) -> pl.Expr:
        return _positive("total_cap") & _positive("float_cap")

    @dy.rule()
    def return_below_minus_one(cls) -> pl.Expr:
        return pl.col("ret").is_null() | (pl.col("ret") >= -1)

    @dy.rule()
    def negative_volume(cls) -> pl.Expr:
        return _not_negative("volume") & _not_negative("amount")


class Assets(dy.Schema):
    """Securities. Listings of one issuer share `issuer` and leave one another's baskets."""

    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    issuer = dy.String(nullable=True, metadata=_is("id", "issuer; null = an issuer of its own", "发行人"))
    name_en = dy.String(nullable=True, metadata=_is("text", "English name", "英文名称"))
    name_zh = dy.String(nullable=True, metadata=_is("text", "Chinese name", "中文名称"))
    exchange = dy.String(nullable=True, metadata=_is("code", "exchange", "交易所"))
    board = dy.String(nullable=True, metadata=_is("code", "board: main, star, chinext, beijing", "板块"))
    list_date = dy.Date(nullable=True, metadata=_is("date", "first trading day", "上市日期"))
    delist_date = dy.Date(nullable=True, metadata=_is("date", "last trading day", "退市日期"))

    @dy.rule()
    def delisted_before_listed(cls) -> pl.Expr:
        both = pl.col("list_date").is_not_null() & pl.col("delist_date").is_not_null()
        return ~both | (pl.col("delist_date") >= pl.col("list_date"))


class Taxonomy(dy.Schema):
    """The product tree; a null parent hangs the node under the implicit root."""

    product = dy.String(primary_key=True, min_length=1, metadata=_is("code", "product node", "产品节点", required=True))
    parent = dy.String(nullable=True, metadata=_is("code", "parent node; null = a top node", "上级节点", required=True))
    name_en = dy.String(nullable=True, metadata=_is("text", "English name", "英文名称"))
    name_zh = dy.String(nullable=True, metadata=_is("text", "Chinese name", "中文名称"))
    start_date = dy.Date(nullable=True, metadata=_is("date", "first day of the node", "生效日期"))
    end_date = dy.Date(nullable=True, metadata=_is("date", "last day of the node", "失效日期"))

    @dy.rule()
    def reserved_product(cls) -> pl.Expr:
        return pl.col("product") != UNMAPPED


class Filings(dy.Schema):
    """One row a published version of a report: when it became known and its total revenue."""

    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    period_end = dy.Date(primary_key=True, metadata=_is("date", "last day of the fiscal period", "报告期", required=True))
    revision = dy.Int64(primary_key=True, metadata=_is("count", "version of the report, 0 = first", "修订版次", default=0))
    publish_date = dy.Date(metadata=_is("date", "day on which the version became public", "公告日期", required=True))
    total_revenue = dy.Float64(nullable=True, metadata=_is("CNY", "revenue of the period, mapped or not", "营业收入", required=True))

    @dy.rule()
    def published_before_period_end(cls) -> pl.Expr:
        return pl.col("publish_date") >= pl.col("period_end")

    @dy.rule()
    def negative_revenue(cls) -> pl.Expr:
        return _not_negative("total_revenue")


class Segments(dy.Schema):
    """Revenue by product as filed; amounts are cumulative within the fiscal year."""

    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    period_end = dy.Date(primary_key=True, metadata=_is("date", "last day of the fiscal period", "报告期", required=True))
    product = dy.String(primary_key=True, min_length=1, metadata=_is("code", f"product node, or '{UNMAPPED}'", "产品节点", required=True))
    revision = dy.Int64(primary_key=True, metadata=_is("count", "version of the report, 0 = first", "修订版次", default=0))
    kind = dy.String(
        primary_key=True, metadata=_is("text", "product, industry or region; only product is used", "分类口径", default="product")
    )
    publish_date = dy.Date(metadata=_is("date", "day on which the version became public", "公告日期", required=True))
    revenue = dy.Float64(metadata=_is("CNY", "revenue from the product", "分部收入", required=True))
    known_at_source = dy.String(
        metadata=_is("text", "filed, or assumed where the source carries no publish date", "公告日期来源", default="filed")
    )

    @dy.rule()
    def published_before_period_end(cls) -> pl.Expr:
        return pl.col("publish_date") >= pl.col("period_end")

    @dy.rule()
    def negative_revenue(cls) -> pl.Expr:
        return pl.col("revenue") >= 0

    @dy.rule()
    def unknown_kind(cls) -> pl.Expr:
        return pl.col("kind").is_in(["product", "industry", "region"])

    @dy.rule()
    def unknown_date_source(cls) -> pl.Expr:
        return pl.col("known_at_source").is_in(["filed", "assumed"])


class Statements(dy.Schema):
    """Items of financial statements, one row an item and published version. A fiscal year ends on 31 December."""

    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    period_end = dy.Date(primary_key=True, metadata=_is("date", "last day of the fiscal period", "报告期", required=True))
    item = dy.String(primary_key=True, metadata=_is("text", f"one of {', '.join(STATEMENT_ITEMS)}", "报表科目", required=True))
    revision = dy.Int64(primary_key=True, metadata=_is("count", "version of the figure, 0 = first", "修订版次", default=0))
    publish_date = dy.Date(metadata=_is("date", "day on which the version became public", "公告日期", required=True))
    value = dy.Float64(metadata=_is("CNY, or shares", "amount; flows are cumulative within the fiscal year", "数值", required=True))

    @dy.rule()
    def published_before_period_end(cls) -> pl.Expr:
        return pl.col("publish_date") >= pl.col("period_end")

    @dy.rule()
    def unknown_item(cls) -> pl.Expr:
        return pl.col("item").is_in(STATEMENT_ITEMS)

    @dy.rule()
    def shares_not_positive(cls) -> pl.Expr:
        return (pl.col("item") != "shares") | (pl.col("value") > 0)

    @dy.rule()
    def negative_amount(cls) -> pl.Expr:
        return ~pl.col("item").is_in(["total_assets", "total_debt", "long_term_debt", "preferred_equity"]) | (pl.col("value") >= 0)


class Dividends(dy.Schema):
    """Cash dividends by ex-date; a stock without a row paid none."""

    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    ex_date = dy.Date(primary_key=True, metadata=_is("date", "first day without the dividend", "除息日", required=True))
    cash_per_share = dy.Float64(metadata=_is("CNY", "cash a share before tax, raw", "每股派息（税前）", required=True))

    @dy.rule()
    def negative_dividend(cls) -> pl.Expr:
        return pl.col("cash_per_share") >= 0


class Industries(dy.Schema):
    """Industry of a security by scheme, as half-open intervals [start_date, end_date)."""

    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    scheme = dy.String(
        primary_key=True, min_length=1, metadata=_is("text", "classification and level, such as sw_l1", "行业分类标准", required=True)
    )
    start_date = dy.Date(primary_key=True, metadata=_is("date", "first day of the label", "起始日期", required=True))
    end_date = dy.Date(nullable=True, metadata=_is("date", "first day on which it no longer holds; null = still holds", "结束日期"))
    code = dy.String(min_length=1, metadata=_is("code", "industry code", "行业代码", required=True))
    name = dy.String(nullable=True, metadata=_is("text", "industry name", "行业名称"))

    @dy.rule()
    def ends_before_start(cls) -> pl.Expr:
        return pl.col("end_date").is_null() | (pl.col("end_date") > pl.col("start_date"))


class IndexMembers(dy.Schema):
    """Members of an index, as intervals that include both start_date and end_date."""

    index = dy.String(primary_key=True, min_length=1, metadata=_is("code", "index", "指数代码", required=True))
    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    start_date = dy.Date(primary_key=True, metadata=_is("date", "first day in the index", "纳入日期", required=True))
    end_date = dy.Date(nullable=True, metadata=_is("date", "last day in the index; null = still a member", "剔除日期"))
    weight = dy.Float64(nullable=True, metadata=_is("decimal", "index weight", "权重"))

    @dy.rule()
    def ends_before_start(cls) -> pl.Expr:
        return pl.col("end_date").is_null() | (pl.col("end_date") >= pl.col("start_date"))


class Status(dy.Schema):
    """Days on which a security stood apart, as intervals that include both start_date and end_date."""

    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    start_date = dy.Date(primary_key=True, metadata=_is("date", "first day of the status", "起始日期", required=True))
    kind = dy.String(primary_key=True, metadata=_is("text", f"one of {', '.join(STATUS_KINDS)}", "状态类别", required=True))
    end_date = dy.Date(nullable=True, metadata=_is("date", "last day of the status; null = still holds", "结束日期"))

    @dy.rule()
    def ends_before_start(cls) -> pl.Expr:
        return pl.col("end_date").is_null() | (pl.col("end_date") >= pl.col("start_date"))

    @dy.rule()
    def unknown_status(cls) -> pl.Expr:
        return pl.col("kind").is_in(STATUS_KINDS)


class Benchmarks(dy.Schema):
    """Index levels and returns."""

    index = dy.String(primary_key=True, min_length=1, metadata=_is("code", "index", "指数代码", required=True))
    date = dy.Date(primary_key=True, metadata=_is("session", "trading session", "交易日", required=True))
    close = dy.Float64(nullable=True, metadata=_is("points", "index level at the close", "收盘点位", required=True))
    ret = dy.Float64(nullable=True, metadata=_is("decimal", "return of the session", "日收益率"))
    is_total_return = dy.Bool(nullable=True, metadata=_is("flag", "true where dividends are reinvested", "是否全收益"))

    @dy.rule()
    def price_not_positive(cls) -> pl.Expr:
        return _positive("close")


class Factors(dy.Schema):
    """The user's own exposures: any number of numeric columns beside the key, known at the close of `date`."""

    date = dy.Date(primary_key=True, metadata=_is("session", "trading session", "交易日", required=True))
    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))


class Scores(dy.Schema):
    """Signals by session and security: any number of numeric columns beside the key and the dates of the filing used."""

    date = dy.Date(primary_key=True, metadata=_is("session", "trading session", "交易日", required=True))
    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    covered_share = dy.Float64(nullable=True, metadata=_is("decimal", "share of revenue whose products have a return", "覆盖收入占比"))
    period_end = dy.Date(nullable=True, metadata=_is("date", "fiscal period of the filing used", "所用报告期"))
    publish_date = dy.Date(nullable=True, metadata=_is("date", "publish date of the filing used", "所用公告日期"))
    eff_date = dy.Date(nullable=True, metadata=_is("date", "first day on which the filing may be used", "生效日期"))

    @dy.rule()
    def looks_ahead(cls) -> pl.Expr:
        return pl.col("eff_date").is_null() | (pl.col("eff_date") <= pl.col("date"))
