"""How the threads of the kernels wait for each other.

A thread that waits actively takes its core from whoever else works on the machine, and with it
from the thread it waits for: on two cores with one other busy process a kernel of 30 microseconds
then takes 12 milliseconds. The OpenMP runtime reads the variable when it is first loaded; who has
set it before keeps it.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
