"""The page: an atlas served to a browser, or written as a plain site."""
