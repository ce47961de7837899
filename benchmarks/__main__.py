"""`python -m benchmarks`: every benchmark, one JSON line each."""

from benchmarks import browser, engine, instruments, live_curves, maps, noise, probes, step

engine.main()
noise.main()
maps.main()
browser.main()
live_curves.main()
instruments.main()
step.main()
probes.main()
