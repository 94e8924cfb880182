"""Mathematics on arrays: cross-sections, rolling windows, forward windows, inference. Knows no table."""

__all__: list[str] = []
