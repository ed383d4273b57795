# SPDX-License-Identifier: BSD-2-Clause
"""mandoc finds no fault with the man pages. The exit status 77 says that it is not installed."""
import pathlib
import shutil
import subprocess
import sys

PAGES = sorted((pathlib.Path(__file__).resolve().parents[1] / "docs").glob("*.[1-9]"))

if shutil.which("mandoc") is None:
    print("mandoc is not installed")
    sys.exit(77)
if len(PAGES) < 5:
    sys.exit(f"only {len(PAGES)} man pages in docs/")
done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", *PAGES], capture_output=True, text=True, timeout=30)
print(done.stdout, done.stderr, sep="")
sys.exit(done.returncode != 0)
