"""Programs: the command line and the pipeline behind it."""

__all__: list[str] = []
