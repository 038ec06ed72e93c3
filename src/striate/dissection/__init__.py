"""What units mean: names for them from labelled pixels, and what they are good for."""
