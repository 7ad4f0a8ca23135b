"""To other tools and back: preprocessed cohorts written in a common layout, and such data sets taken in."""
