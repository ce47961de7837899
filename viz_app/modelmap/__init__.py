"""The Tuning page for a language model: a map over two hyperparameters of a job, and the search beside it."""
