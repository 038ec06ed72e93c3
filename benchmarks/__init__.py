"""Striate beside its peers and beside the bare network, as ratios of CPU time on one thread."""
