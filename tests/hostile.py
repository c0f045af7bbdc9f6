"""Names that want to be more than text."""

import numpy as np
import pyarrow as pa

SCRIPT = "</script><script>window.hacked = true</script>"
NAMES = [SCRIPT, '"><img src=x onerror=alert(1)>', "שלום ‮txt", "a\nb|c", "{{7*7}}", "'; DROP TABLE rows; --"]


def hostile(n=60):
    """Return a table, and labels, with names that want to be more than text."""
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=n) for name in NAMES[:-1]}
    return pa.table(columns | {NAMES[-1]: rng.choice(NAMES, n)}), rng.choice([*NAMES, ""], n)
