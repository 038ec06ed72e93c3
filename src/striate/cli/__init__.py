"""The command line: one verb a file; parse, call what the library also offers, print."""
