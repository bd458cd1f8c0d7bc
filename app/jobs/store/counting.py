"""What counts a job's tasks and its handler's running jobs: triggers, beside the tables.

Rows that really changed are counted, whichever statement changed them, in the same transaction.
"""

from __future__ import annotations

from typing import Final

from app.db import BY_KEYS, made_with_tables
from app.jobs import models as models  # the tables come first
from app.jobs.states import TaskStatus


def _moved(status: TaskStatus) -> str:
    count = status.lower()
    return f"{count} = {count} - (OLD.status = '{status}') + (NEW.status = '{status}')"


_ALL_MOVED = ",\n    ".join(_moved(status) for status in TaskStatus)


# Claims and outcomes come by hundreds of one job: their statements count a job's tasks at once,
# for a trigger at each row takes longer than the change itself. A task that becomes IN_PROGRESS is
# counted by its claim; one that leaves that is counted by its outcome, unless it is returned or its
# worker died. The condition is asked at every change: each comparison more is felt.
SQLITE_COUNTING = (
    f"""CREATE TRIGGER task_counted AFTER UPDATE OF status ON task
WHEN NEW.status <> 'IN_PROGRESS' AND NEW.status <> OLD.status
  AND (OLD.status <> 'IN_PROGRESS' OR NEW.status = 'SCHEDULED' OR NEW.crashes <> OLD.crashes) BEGIN
  UPDATE job SET version = version + 1,
    {_ALL_MOVED}
  WHERE id = NEW.job_id;
END""",
    """CREATE TRIGGER task_waits AFTER UPDATE OF run_after ON task
WHEN (OLD.run_after IS NULL) <> (NEW.run_after IS NULL) BEGIN
  UPDATE job SET version = version + 1,
    waiting = waiting - (OLD.run_after IS NOT NULL) + (NEW.run_after IS NOT NULL)
  WHERE id = NEW.job_id;
END""",
    """CREATE TRIGGER job_counted AFTER UPDATE OF status ON job
WHEN (OLD.status = 'IN_PROGRESS') <> (NEW.status = 'IN_PROGRESS') BEGIN
  UPDATE handler SET running = running + (NEW.status = 'IN_PROGRESS') - (OLD.status = 'IN_PROGRESS')
  WHERE name = NEW.handler;
END""",
    """CREATE TRIGGER job_deleted AFTER DELETE ON job WHEN OLD.status = 'IN_PROGRESS' BEGIN
  UPDATE handler SET running = running - 1 WHERE name = OLD.handler;
END""",
)
made_with_tables("sqlite", *SQLITE_COUNTING)


#: Ends a subquery of SQLite that is to be evaluated once for a row, not at each mention of it.
ONCE: Final = "LIMIT -1"

#: Begins and ends the part of a function there that counts what it changes itself. Anybody may set
#: that in a transaction; as a setting of the function, only a superuser. An error between the two
#: undoes the first with all else of the transaction, or of what follows its savepoint.
COUNTS_ITSELF: Final = "counting := set_config('jobdeck.counts_itself', 'on', true);"
IS_COUNTED: Final = "counting := set_config('jobdeck.counts_itself', 'off', true);"
_UNLESS_COUNTED: Final = """IF current_setting('jobdeck.counts_itself', true) = 'on' THEN
    RETURN NULL;
  END IF;"""


def count_running(handlers: str, sign: str) -> str:
    """Count there, at once, jobs that have begun or ended, by a table of their handlers' names."""
    return f"""UPDATE handler SET running = handler.running {sign} counted.jobs
    FROM (SELECT handler, count(*) AS jobs FROM {handlers} GROUP BY handler) AS counted
    WHERE handler.name = counted.handler"""


def _difference(status: TaskStatus) -> str:
    return f"sum(moved.by) FILTER (WHERE moved.status = '{status}') AS {status.lower()}"


def _by_difference(status: TaskStatus) -> str:
    count = status.lower()
    return f"{count} = job.{count} + coalesce(moved.{count}, 0)"


_DIFFERENCES = ",\n      ".join(_difference(status) for status in TaskStatus)
_ALL_BY_DIFFERENCES = ",\n    ".join(_by_difference(status) for status in TaskStatus)

# A whole statement's changes are counted at once there: a trigger for each row takes longer than
# the change itself. What makes work for some worker wakes those that listen.
POSTGRESQL_COUNTING = (
    f"""CREATE FUNCTION task_counted() RETURNS trigger LANGUAGE plpgsql
{BY_KEYS} AS $$ BEGIN
  {_UNLESS_COUNTED}
  UPDATE job SET version = job.version + 1,
    {_ALL_BY_DIFFERENCES},
    waiting = job.waiting + coalesce(moved.waiting, 0)
  FROM (
    SELECT moved.job_id,
      {_DIFFERENCES},
      sum(moved.by) FILTER (WHERE moved.run_after IS NOT NULL) AS waiting
    FROM (SELECT job_id, status, run_after, 1 AS by FROM newer
          UNION ALL SELECT job_id, status, run_after, -1 FROM older) AS moved
    GROUP BY moved.job_id
  ) AS moved
  WHERE job.id = moved.job_id;
  RETURN NULL;
END $$""",
    """CREATE TRIGGER task_counted AFTER UPDATE ON task
REFERENCING OLD TABLE AS older NEW TABLE AS newer
FOR EACH STATEMENT EXECUTE FUNCTION task_counted()""",
    f"""CREATE FUNCTION job_counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  {_UNLESS_COUNTED}
  UPDATE handler SET running = running + CASE NEW.status WHEN 'IN_PROGRESS' THEN 1 ELSE -1 END
  WHERE name = NEW.handler;
  RETURN NULL;
END $$""",
    """CREATE TRIGGER job_counted AFTER UPDATE OF status ON job
FOR EACH ROW WHEN ((OLD.status = 'IN_PROGRESS') <> (NEW.status = 'IN_PROGRESS'))
EXECUTE FUNCTION job_counted()""",
    """CREATE FUNCTION job_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE handler SET running = running - 1 WHERE name = OLD.handler;
  RETURN NULL;
END $$""",
    """CREATE TRIGGER job_deleted AFTER DELETE ON job
FOR EACH ROW WHEN (OLD.status = 'IN_PROGRESS') EXECUTE FUNCTION job_deleted()""",
    """CREATE FUNCTION job_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NOTIFY jobdeck;
  RETURN NULL;
END $$""",
    "CREATE TRIGGER job_made_told AFTER INSERT ON job EXECUTE FUNCTION job_told()",
    """CREATE TRIGGER job_told AFTER UPDATE ON job
FOR EACH ROW WHEN (
  NEW.preparing_until IS NULL AND (
    (OLD.status = 'IN_PROGRESS') > (NEW.status = 'IN_PROGRESS')
    OR NEW.scheduled > OLD.scheduled OR NEW.waiting < OLD.waiting
    OR (NEW.status = 'QUEUED' AND (OLD.status <> 'QUEUED' OR OLD.held
        OR OLD.preparing_until IS NOT NULL OR OLD.retrying IS NOT NULL
        OR OLD.waiting_until IS NOT NULL))
    OR NEW.parallel_limit IS DISTINCT FROM OLD.parallel_limit
    OR (NEW.cancel_requested_at IS NOT NULL AND OLD.cancel_requested_at IS NULL)))
EXECUTE FUNCTION job_told()""",
    """CREATE TRIGGER pause_told AFTER INSERT OR UPDATE OR DELETE ON pause
FOR EACH STATEMENT EXECUTE FUNCTION job_told()""",
    """CREATE TRIGGER limits_told
AFTER UPDATE OF set_concurrency_limit, set_parallel_limit ON handler
FOR EACH STATEMENT EXECUTE FUNCTION job_told()""",
)
made_with_tables("postgresql", *POSTGRESQL_COUNTING)
