"""Factors: what a stock is exposed to besides its products. Raw values; standardising is one step for all of them."""

__all__: list[str] = []
