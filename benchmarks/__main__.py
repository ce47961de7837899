"""`python -m benchmarks`: every benchmark, one JSON line each."""

from benchmarks import browser, engine, instruments, live_curves, maps, probes, step

engine.main()
maps.main()
browser.main()
live_curves.main()
instruments.main()
step.main()
probes.main()
