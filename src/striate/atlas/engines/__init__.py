"""Ways to run the shards of a plan; all make the same atlas."""
