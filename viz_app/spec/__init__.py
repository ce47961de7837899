"""The words of specs: reading, checking and writing them; the presets that fill in what a spec leaves out."""
