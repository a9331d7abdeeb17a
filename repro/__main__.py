"""`python -m repro`."""

from repro.start import main

if __name__ == "__main__":
    raise SystemExit(main())
