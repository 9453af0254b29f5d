"""Radicale, as it is but for one thing: what it writes is not pushed to the disk each time.

A server that is killed loses nothing by that, because the system has it; and thousands of changes take a third less time.
"""

import os
import runpy

os.fsync = lambda descriptor: None
runpy.run_module("radicale", run_name="__main__", alter_sys=True)
