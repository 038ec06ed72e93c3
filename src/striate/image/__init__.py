"""Pictures in and out, and how numbers become pictures. The only door to Pillow."""
