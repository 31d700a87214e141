"""Logs of Parsl workflows -> rows -> one SQLite database of spans and events."""
