"""No process outlives the one that started it: a killed benchmark leaves no worker that trains on for nobody."""

from __future__ import annotations

import os
import signal
import threading
import time

LOOK_SECONDS = 0.5


def end_with_parent(parent: int) -> None:
    """Let this process end as soon as its parent has, however that died; to be called once, at its start.

    Whoever loses its parent is given to another one, and a thread looks whether that has happened. (Linux could send a
    signal instead, but does so when the *thread* that started a worker ends.) What is half written is temporary, and
    locks of files fall with the process.

    Parameters
    ----------
    parent : int
        The parent's process id as the parent knows it: it may have died before this process could ask.
    """
    threading.Thread(target=_watch, args=(parent,), name="end with parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
