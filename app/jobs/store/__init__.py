"""Every SQL statement about jobs, one named home each.

creating: a job and its tasks, together or not at all. candidates: what may be run. claiming: who
runs it. recording: what came of it. retrying: tasks that wait for their next try. waiting: jobs
that wait for their time. rescheduling: jobs that follow one that failed. ending: cancels and finish
steps. reopening: jobs that run once more. adding: tasks that join or leave a job. removing: jobs
that go. reading: jobs as people and programs look at them. pending: what keeps them from running.
inspecting: one job's tasks. keeping:
workers, and what the dead leave. steering: pauses, and limits that people set. telling: what
PostgreSQL passes on between processes. numbering: claims and groups whose fate nobody knows.
committing: the same of other transactions. counting: the triggers that count. grouping: the trigger
that writes a group of the journal. on_mariadb: what is a trigger or a procedure there.
"""

from app.jobs.store import counting as counting
from app.jobs.store import grouping as grouping
