"""The environments: text in, text out, one file or folder per family."""
