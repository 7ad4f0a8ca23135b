"""The arms of the benchmark: one folder each, with its settings, model, loss and views beside each other."""
