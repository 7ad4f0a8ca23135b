"""The report's figures, each a function from numbers to a matplotlib figure."""
