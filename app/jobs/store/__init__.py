"""Every SQL statement about jobs, one named home each.

creating: a job and its tasks, together or not at all. waiting: jobs that are not due. claiming:
who runs what. recording: what came of it. retrying: what failed and waits for its next try.
ending: cancels and finish steps. rescheduling: jobs that follow those that failed. reopening: jobs
that run once more. adding: tasks that join or leave a job. removing: jobs that go. reading: jobs
as people and programs look at them. inspecting: one job's tasks. keeping: workers, and what the
dead leave.
"""
