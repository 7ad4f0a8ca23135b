"""The supervised CNN with neighbouring planes as further channels: 2.5-D."""
