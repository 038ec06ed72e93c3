"""The atlas on disk. The only door to SQLite."""
