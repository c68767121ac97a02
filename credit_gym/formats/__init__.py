"""The formats of other people's tools, one file a format, reading and writing side by side."""
