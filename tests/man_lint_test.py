# SPDX-License-Identifier: BSD-2-Clause
"""mandoc finds no fault with the man pages, not even one of style, but for pages that are not installed where it runs.
The exit status 77 says that it is not installed itself."""
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
done = subprocess.run(["mandoc", "-Tlint", "-W", "style", *PAGES], capture_output=True, text=True, timeout=30)
elsewhere = ("referenced manual not found", "outdated mandoc.db")
found = [line for line in (done.stdout + done.stderr).splitlines() if not any(words in line for words in elsewhere)]
print(*found, sep="\n")
sys.exit(bool(found))
