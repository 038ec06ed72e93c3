"""Every unit over a whole probe set."""
