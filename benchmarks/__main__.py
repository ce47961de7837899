"""`python -m benchmarks`: every benchmark, one JSON line each."""

from benchmarks import browser, engine, instruments, maps, probes, step

engine.main()
maps.main()
browser.main()
instruments.main()
step.main()
probes.main()
