"""Risk factors from bars, statements and dividends: the base of 22 that a signal is judged against."""
