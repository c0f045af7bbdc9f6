"""One script per table of ``docs/benchmarks.md``: run ``python -m benchmarks.NAME``, then ``-m benchmarks.render``."""
