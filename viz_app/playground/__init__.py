"""Runs on test functions: computed, taken apart, drawn; the page at `/`."""
