"""No thread of ingest dies unseen."""

import subprocess
import sys

SCRIPT = """
import logging, threading, time
from ingest.supervise import end_with_any_thread
logging.basicConfig()
end_with_any_thread()
threading.Thread(target=lambda: 1 / 0, name="journal").start()
time.sleep(600)
"""


def test_a_thread_that_falls_over_ends_the_process_and_says_which():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 70
    assert "thread journal fell over" in done.stderr
    assert "ZeroDivisionError" in done.stderr
