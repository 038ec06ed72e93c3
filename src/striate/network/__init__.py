"""Where in a network, and running any part of it."""
