"""One module a page: its layout, and its callbacks, each a few lines."""
