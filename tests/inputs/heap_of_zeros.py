"""Zeros in the heap of strings: HDF5 never comes back.

usage: heap_of_zeros.py GOOD.h5 BAD.h5; then `timeout -s KILL 20 fokkerplanck report BAD.h5`
"""

import sys
from pathlib import Path

good, bad = sys.argv[1:]
raw = bytearray(Path(good).read_bytes())
place = raw.find(b"GCOL") + 16
raw[place : place + 512] = bytes(512)
Path(bad).write_bytes(raw)
