"""Schemas of the tables that link securities: news that names them, inputs of products, disclosed partners, ownership.

Links are directed: a row (A, B) and a row (B, A) say two things. Intervals are half-open: `end_date` is the first day on which the link no
longer holds. Rules that need other rows or tables live in `pureplay.crosschecks_links`.
"""

from typing import Final

import dataframely as dy
import polars as pl

from pureplay.column_facts import facts as _is

__all__ = ["AFFILIATE_KINDS", "LINK_KINDS", "MENTION_KINDS", "Affiliates", "DisclosedLinks", "Mentions", "SupplyEdges"]

MENTION_KINDS: Final = ("news", "tender")
"""What an article may be: news, or the announcement of a tender, which links bidders and no partners."""

LINK_KINDS: Final = ("ongoing", "bid")
"""What a disclosed link may be: business that goes on, or a bid won."""

AFFILIATE_KINDS: Final = ("ownership", "executive")
"""How an owner may be tied to a security: by a stake, or as one of its directors and officers."""


class Mentions(dy.Schema):
    """One row a security that an article names; an article with several names has several rows and one moment."""

    article = dy.String(primary_key=True, min_length=1, metadata=_is("id", "article, such as its address", "文章标识", required=True))
    asset = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "证券代码", required=True))
    published_at = dy.Datetime(
        time_unit="us", time_zone="UTC", metadata=_is("moment, UTC", "when the article became public", "发布时间", required=True)
    )
    source = dy.String(nullable=True, metadata=_is("text", "who published it", "来源"))
    kind = dy.String(metadata=_is("text", f"one of {', '.join(MENTION_KINDS)}", "文章类别", default="news"))

    @dy.rule()
    def unknown_mention_kind(cls) -> pl.Expr:
        return pl.col("kind").is_in(MENTION_KINDS)


class SupplyEdges(dy.Schema):
    """One product is an input of another, as half-open intervals [start_date, end_date)."""

    supplier_product = dy.String(
        primary_key=True, min_length=1, metadata=_is("code", "product that is the input", "上游产品", required=True)
    )
    customer_product = dy.String(
        primary_key=True, min_length=1, metadata=_is("code", "product that needs the input", "下游产品", required=True)
    )
    start_date = dy.Date(primary_key=True, metadata=_is("date", "first day of the edge", "起始日期", required=True))
    end_date = dy.Date(nullable=True, metadata=_is("date", "first day on which it no longer holds; null = still holds", "结束日期"))
    is_core = dy.Bool(metadata=_is("flag", "true where the input is essential", "是否核心投入", default=True))

    @dy.rule()
    def product_linked_to_itself(cls) -> pl.Expr:
        return pl.col("supplier_product") != pl.col("customer_product")

    @dy.rule()
    def ends_before_start(cls) -> pl.Expr:
        return pl.col("end_date").is_null() | (pl.col("end_date") > pl.col("start_date"))


class DisclosedLinks(dy.Schema):
    """A supplier or customer that a report names, by the day on which that became public."""

    supplier = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code of the supplier", "供应商代码", required=True))
    customer = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code of the customer", "客户代码", required=True))
    publish_date = dy.Date(primary_key=True, metadata=_is("date", "day on which the link became public", "公告日期", required=True))
    period_end = dy.Date(nullable=True, metadata=_is("date", "last day of the period that the link is about", "报告期"))
    amount = dy.Float64(nullable=True, metadata=_is("CNY", "value of the business in the period", "交易金额"))
    kind = dy.String(primary_key=True, metadata=_is("text", f"one of {', '.join(LINK_KINDS)}", "关系类别", default="ongoing"))

    @dy.rule()
    def stock_linked_to_itself(cls) -> pl.Expr:
        return pl.col("supplier") != pl.col("customer")

    @dy.rule()
    def published_before_period_end(cls) -> pl.Expr:
        return pl.col("period_end").is_null() | (pl.col("publish_date") >= pl.col("period_end"))

    @dy.rule()
    def negative_link_amount(cls) -> pl.Expr:
        return pl.col("amount").is_null() | (pl.col("amount") >= 0)

    @dy.rule()
    def unknown_link_kind(cls) -> pl.Expr:
        return pl.col("kind").is_in(LINK_KINDS)


class Affiliates(dy.Schema):
    """Who holds a stake in a security or sits on its board, as half-open intervals [start_date, end_date)."""

    owner = dy.String(
        primary_key=True, min_length=1, metadata=_is("id", "owner: a security code, a company or a person", "持有人", required=True)
    )
    owned = dy.String(primary_key=True, min_length=1, metadata=_is("code", "security code", "被持证券代码", required=True))
    start_date = dy.Date(primary_key=True, metadata=_is("date", "first day on which the tie is known", "起始日期", required=True))
    end_date = dy.Date(nullable=True, metadata=_is("date", "first day on which it no longer holds; null = still holds", "结束日期"))
    stake = dy.Float64(nullable=True, metadata=_is("decimal", "share of the equity, above 0 and at most 1", "持股比例"))
    kind = dy.String(metadata=_is("text", f"one of {', '.join(AFFILIATE_KINDS)}", "关联类别", default="ownership"))

    @dy.rule()
    def stock_linked_to_itself(cls) -> pl.Expr:
        return pl.col("owner") != pl.col("owned")

    @dy.rule()
    def stake_outside_0_to_1(cls) -> pl.Expr:
        return pl.col("stake").is_null() | ((pl.col("stake") > 0) & (pl.col("stake") <= 1))

    @dy.rule()
    def ends_before_start(cls) -> pl.Expr:
        return pl.col("end_date").is_null() | (pl.col("end_date") > pl.col("start_date"))

    @dy.rule()
    def unknown_affiliate_kind(cls) -> pl.Expr:
        return pl.col("kind").is_in(AFFILIATE_KINDS)
