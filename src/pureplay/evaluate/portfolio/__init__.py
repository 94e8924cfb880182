"""Portfolios from scores under dated market rules: quantiles, buffers, limits, costs, capacity, holdings that replay."""

from pureplay.evaluate.portfolio.backtest import Desk, backtest, quantile_portfolio
from pureplay.evaluate.portfolio.holdings import replay
from pureplay.evaluate.portfolio.records import Portfolio
from pureplay.evaluate.portfolio.rules import MarketRules
from pureplay.evaluate.portfolio.settings import PortfolioSettings

__all__ = ["Desk", "MarketRules", "Portfolio", "PortfolioSettings", "backtest", "quantile_portfolio", "replay"]
