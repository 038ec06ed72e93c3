"""Making an image by gradient: what maximization, inversion and dreaming share."""
