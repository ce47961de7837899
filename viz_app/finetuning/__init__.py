"""Fine-tuning a language model: jobs, their workers and their store; the page at `/opt`."""
