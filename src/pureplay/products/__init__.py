"""Products: the taxonomy, the point-in-time revenue mix, pure-play baskets."""

from pureplay.products.mix import Mix, filed_lines, industry_mix, revenue_mix
from pureplay.products.taxonomy import Taxonomy

__all__ = ["Mix", "Taxonomy", "filed_lines", "industry_mix", "revenue_mix"]
