"""One paper, one file, one function."""
