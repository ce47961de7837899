"""Maps over two hyperparameters and the search for the best setting; the page at `/tuning`."""
