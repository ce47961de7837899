"""`python -m benchmarks`: every benchmark, one JSON line each."""

from benchmarks import browser, engine, probes, step

engine.main()
browser.main()
step.main()
probes.main()
