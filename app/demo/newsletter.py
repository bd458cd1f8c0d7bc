"""The demo's own kind of job: it mails nobody, but takes its time like one that does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from app.jobs import Task, task_handler

#: Of so many addresses one does not exist.
ONE_IN = 29


class MailboxUnavailable(Exception):
    """The mail server knows no such mailbox."""


class Params(BaseModel):
    """What is sent to how many."""

    subject: str = Field(min_length=1, max_length=120, description="What the mail is about")
    customers: int = Field(200, ge=1, le=100_000, description="How many customers get it")
    pace: float = Field(0.5, ge=0, le=60, description="Seconds that one mail takes")


@task_handler(params=Params, parallel_limit=2, icon="mail")
def send_newsletter(task: Task) -> dict[str, Any]:
    """Send a newsletter to every customer (in the demo only: nothing leaves this machine)."""
    address, pace = task.state["to"], task.job.params.pace
    task.set_state_field("step", "rendering")
    task.sleep(pace * 0.4)
    task.set_state_field("step", "sending")
    task.log("Handing %r to the mail server for %s", task.job.params.subject, address)
    task.sleep(pace * 0.6)
    if task.index % ONE_IN == ONE_IN - 1:
        raise MailboxUnavailable(f"550 5.1.1 <{address}>: mailbox unavailable")
    task.set_state_field("step", "delivered")
    return {"accepted": address}


@send_newsletter.tasks
def one_per_customer(params: Params) -> Iterator[dict[str, Any]]:
    """One task a customer."""
    for number in range(1, params.customers + 1):
        yield {"to": f"customer-{number:05}@example.com"}
