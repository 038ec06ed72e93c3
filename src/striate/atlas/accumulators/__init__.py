"""Mergeable summaries of what a layer did, under the law of `striate.atlas.accumulators.law`."""
