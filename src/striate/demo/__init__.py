"""The embedded default: scenes with known truth, and the small network trained on them."""
