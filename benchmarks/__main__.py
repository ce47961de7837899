"""`python -m benchmarks`: every benchmark, one JSON line each."""

from benchmarks import browser, engine

engine.main()
browser.main()
