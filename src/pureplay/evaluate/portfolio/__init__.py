"""Portfolios from scores under dated market rules: quantiles, buffers, limits, costs, capacity, holdings that replay."""
