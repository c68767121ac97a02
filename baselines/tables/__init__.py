"""The published tables, one runnable file each."""
