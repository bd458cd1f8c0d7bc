"""What the demo shows at first: jobs that are done, that failed, that run and that wait."""

from __future__ import annotations

from pathlib import Path

from app.demo.newsletter import send_newsletter
from app.jobs import Engine

__all__ = ["fill", "send_newsletter"]


def fill(engine: Engine, started_by: int | None) -> None:
    """Start the demo's jobs, unless there are jobs already."""
    if engine.jobs(limit=1):
        return
    folder = _some_files(engine.settings.data_dir / "demo-files")

    def start(handler: str, name: str, **params: object) -> None:
        engine.start(handler, params, name=name, started_by=started_by)

    start("example_job_handler", "Example job", steps=6, seconds=0.2)
    start("checksum_files", "Checksums of the shared folder", folder=str(folder))
    start("send_newsletter", "Summer newsletter", subject="Summer is here", customers=60, pace=0.02)
    start(
        "send_newsletter", "Autumn newsletter", subject="Autumn offers", customers=4_000, pace=0.5
    )
    start(
        "send_newsletter",
        "Winter newsletter",
        subject="Winter is coming",
        customers=2_500,
        pace=0.5,
    )


def _some_files(folder: Path) -> Path:
    """A folder worth checksumming: some files, and a link that leads nowhere."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 25):
        (folder / f"report-{number:02}.txt").write_text(f"Report {number}\n" * number * 500)
    lost = folder / "report-25.txt"
    if not lost.is_symlink():
        lost.symlink_to(folder / "moved-away.txt")
    return folder
