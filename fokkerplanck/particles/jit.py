"""How the kernels are compiled here; the module made for a problem compiles the same text.

Numpy's error model: a division by zero gives inf, as the formulas promise, and the test for it
would keep loops from being vectorised. No fastmath: results must not depend on the machine's mood.
"""

from __future__ import annotations

import numba

# Called by kernels only; compiled into them.
inline = numba.njit(error_model="numpy")
# Called from Python, on several threads at once, each with its own range of blocks.
kernel = numba.njit(error_model="numpy", nogil=True)
