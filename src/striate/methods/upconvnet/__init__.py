"""UpconvNet: a network trained to guess an image from what a layer makes of it."""
