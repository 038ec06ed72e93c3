"""Labelled images: which pixels show which concept."""
