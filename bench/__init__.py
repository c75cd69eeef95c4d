"""Measurements: each case prints a table and writes JSON. No test asserts a time."""
