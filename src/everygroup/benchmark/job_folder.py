"""A job's folder, and what its files say: whether it is done, runs, or has failed, and how often."""

from __future__ import annotations

import os
import socket
import traceback
from dataclasses import dataclass
from pathlib import Path

from everygroup.benchmark.job import Job
from everygroup.errors import EverygroupError
from everygroup.files import read_json, write_json, write_text


@dataclass(frozen=True)
class JobFolder:
    """The folder of a job in the folder of its benchmark."""

    job: Job
    out: Path

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.out / "jobs" / self.job.folder

    @property
    def done(self) -> bool:
        """Whether the results are complete."""
        return (self.path / "done").exists()

    @property
    def running(self) -> bool:
        """Whether a process began and did not end, as far as it could say."""
        return (self.path / "running.json").exists()

    @property
    def failure(self) -> str | None:
        """The reason of the latest attempt's failure, if it failed."""
        path = self.path / "failed.json"
        return str(read_json(path)["message"]) if path.exists() else None

    @property
    def failures(self) -> int:
        """How often the job has failed or lost its process, over all sessions."""
        path = self.path / "failures.json"
        return int(read_json(path)["failures"]) if path.exists() else 0

    def begin(self) -> None:
        """Note that an attempt begins: who makes it; what an earlier one failed of is forgotten."""
        self.forget_failure()
        write_json(self.path / "running.json", {"process": os.getpid(), "machine": socket.gethostname()})

    def end(self) -> None:
        """Note that no process is at it any more."""
        (self.path / "running.json").unlink(missing_ok=True)

    def finish(self) -> None:
        """Mark the results as complete."""
        write_text(self.path / "done", f"{self.job.id}\n")

    def fail(self, error: BaseException) -> None:
        """Write failed.json: the message, what to do about it where that is known, and the traceback's text.

        The next attempt removes it; the number of failures stays in failures.json.
        """
        write_json(self.path / "failures.json", {"failures": self.failures + 1})
        record = {
            "job": str(self.job),
            "id": self.job.id,
            "error": type(error).__name__,
            "message": first_line(error),
            "fix": error.fix if isinstance(error, EverygroupError) else "",
            "traceback": "".join(traceback.format_exception(error)),
        }
        write_json(self.path / "failed.json", record)

    def forget_failure(self) -> None:
        """Remove what an earlier attempt failed of."""
        (self.path / "failed.json").unlink(missing_ok=True)


def first_line(error: BaseException) -> str:
    """Return an error in one line; its kind where it says nothing."""
    text = error.message if isinstance(error, EverygroupError) else str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
