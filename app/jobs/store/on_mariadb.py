"""What MariaDB does by triggers and procedures: counts, claims, and groups of the journal.

A view has no triggers there, and what a trigger writes to must not be read by the statement that
sets it off. So a claim and a group are procedures, which gather first what they will change.
"""

from __future__ import annotations

import re
from typing import Final

from app.engines import MARIADB_TURN
from app.jobs.states import TaskStatus
from app.jobs.store.claiming import MAY_RUN
from app.jobs.store.ending import IS_COMPLETE, OUTCOME
from app.jobs.store.grouping import COUNTED, ENDS
from app.jobs.store.steering import PARALLEL_LIMIT, QUEUED_ON_MARIADB, not_paused
from app.wordings import reworded

#: Set while a procedure counts what it changes itself.
_COUNTS_ITSELF: Final = "@jobdeck_counts_itself"
_MOVED: Final = ",\n      ".join(
    f"{each.lower()} = {each.lower()} - (OLD.status = '{each}') + (NEW.status = '{each}')"
    for each in TaskStatus
)

COUNTING: Final = (
    f"""CREATE OR REPLACE TRIGGER task_versioned BEFORE UPDATE ON task FOR EACH ROW
  SET NEW.version = (
    SELECT version + ({_COUNTS_ITSELF} IS NULL) FROM job WHERE id = NEW.job_id)""",
    f"""CREATE OR REPLACE TRIGGER task_counted AFTER UPDATE ON task FOR EACH ROW
  IF {_COUNTS_ITSELF} IS NULL
     AND (NEW.status <> OLD.status OR (NEW.run_after IS NULL) <> (OLD.run_after IS NULL)) THEN
    UPDATE job SET version = version + 1,
      {_MOVED},
      waiting = waiting - (OLD.run_after IS NOT NULL) + (NEW.run_after IS NOT NULL)
    WHERE id = NEW.job_id;
  END IF""",
    """CREATE OR REPLACE TRIGGER job_counted AFTER UPDATE ON job FOR EACH ROW
  IF (NEW.status = 'IN_PROGRESS') <> (OLD.status = 'IN_PROGRESS') THEN
    UPDATE handler
    SET running = running + (NEW.status = 'IN_PROGRESS') - (OLD.status = 'IN_PROGRESS')
    WHERE name = NEW.handler;
  END IF""",
    """CREATE OR REPLACE TRIGGER job_deleted AFTER DELETE ON job FOR EACH ROW
  IF OLD.status = 'IN_PROGRESS' THEN
    UPDATE handler SET running = running - 1 WHERE name = OLD.handler;
  END IF""",
)


def _here(wording: str) -> str:
    """A condition that is shared with others, with the values of a procedure."""
    return reworded(wording, "mariadb").replace("NEW.", "the_")


def _of_job(assignments: str) -> str:
    """Assignments to a job, where another table has such columns, too."""
    return re.sub(r"(?<![.\w])(\w+) = (job\.|CASE)", r"job.\1 = \2", assignments)


def _listed(lists: str, *columns: str, alias: str) -> str:
    """A list as JSON, as a table: each of its rows is a list itself."""
    said = ",\n      ".join(f"{column} PATH '$[{place}]'" for place, column in enumerate(columns))
    return f"JSON_TABLE({lists}, '$[*]' COLUMNS (\n      {said})) AS {alias}"


def _refuse(why: str) -> str:
    """What ends a procedure, as an IntegrityError."""
    return f"SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'jobdeck: {why}'"


def _procedure(name: str, number: str, values: str, variables: str, body: str) -> str:
    """A procedure that is a transaction, or a part of the one that is open: alone, for a living
    worker, and for each `number` once."""
    return f"""CREATE OR REPLACE PROCEDURE {name} (
  the_worker_id BIGINT, the_number BIGINT, the_at VARCHAR(27),
  {values})
MODIFIES SQL DATA
turn: BEGIN
  DECLARE is_whole BOOLEAN DEFAULT NOT @@in_transaction;
  DECLARE {variables} LONGTEXT;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN
    SET {_COUNTS_ITSELF} = NULL;
    IF is_whole THEN ROLLBACK; ELSE ROLLBACK TO SAVEPOINT jobdeck; END IF;
    RESIGNAL;
  END;
  IF is_whole THEN START TRANSACTION; ELSE SAVEPOINT jobdeck; END IF;
  {MARIADB_TURN.replace("id FROM", "id INTO @jobdeck_turn FROM")};
  UPDATE worker SET {number} = the_number
  WHERE id = the_worker_id AND alive AND {number} < the_number;
  IF ROW_COUNT() = 0 THEN
    IF EXISTS (SELECT 1 FROM worker WHERE id = the_worker_id AND alive) THEN
      IF is_whole THEN ROLLBACK; END IF;
      LEAVE turn;
    END IF;
    {_refuse("fenced")};
  END IF;
  SET {_COUNTS_ITSELF} = true;
{body}
  SET {_COUNTS_ITSELF} = NULL;
  IF is_whole THEN COMMIT; END IF;
END"""


_ASKED: Final = """JSON_TABLE(the_jobs, '$[*]' COLUMNS (
      id BIGINT PATH '$[0]', rank BIGINT PATH '$[1]',
      NESTED PATH '$[2][*]' COLUMNS (place FOR ORDINALITY, task_id BIGINT PATH '$'))) AS asked
    JOIN job ON job.id = asked.id JOIN handler ON handler.name = job.handler"""
_TAKEN: Final = _listed("taken", "task_id BIGINT", "job_id BIGINT", alias="took")
CLAIM: Final = _procedure(
    "claim",
    "last_claim",
    "the_finish LONGTEXT, the_steps LONGTEXT, the_jobs LONGTEXT",
    "taken, started",
    f"""
  IF JSON_LENGTH(the_finish) > 0 THEN
    UPDATE job
    JOIN JSON_TABLE(the_finish, '$[*]' COLUMNS (job_id BIGINT PATH '$')) AS asked
      ON job.id = asked.job_id
    SET status = {OUTCOME},
        finished_at = the_at, finish_step = NULL, version = version + 1
    WHERE {_here(IS_COMPLETE)};
  END IF;

  IF JSON_LENGTH(the_steps) > 0 THEN
    UPDATE job
    JOIN JSON_TABLE(the_steps, '$[*]' COLUMNS (job_id BIGINT PATH '$')) AS asked
      ON job.id = asked.job_id
    SET finisher = the_worker_id, finish_step = coalesce(finish_step, 'before'),
        version = version + 1
    WHERE finisher IS NULL
      AND (finish_step = 'after'
           OR (status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
               AND cancel_requested_at IS NULL))
      AND {not_paused("job.handler", "the_at")};
  END IF;

  IF JSON_LENGTH(the_jobs) > 0 THEN
    SELECT JSON_ARRAYAGG(DISTINCT asked.id) INTO started
    FROM {_ASKED}
    WHERE job.status = 'QUEUED' AND {_here(MAY_RUN)};

    SELECT JSON_ARRAYAGG(JSON_ARRAY(ready.id, job.id)) INTO taken
    FROM {_ASKED}
    JOIN task AS ready ON ready.id = asked.task_id AND ready.job_id = job.id
    WHERE {_here(MAY_RUN)}
      AND ready.status = 'SCHEDULED' AND ready.run_after IS NULL
      AND coalesce(job.in_progress + asked.place <= {PARALLEL_LIMIT}, true);

    UPDATE job JOIN (
      SELECT job_id, sum(tasks) AS tasks FROM (
        SELECT took.job_id, 1 AS tasks FROM {_TAKEN}
        UNION ALL
        SELECT begun.job_id, 0
        FROM JSON_TABLE(started, '$[*]' COLUMNS (job_id BIGINT PATH '$')) AS begun) AS each_one
      GROUP BY job_id) AS moved ON job.id = moved.job_id
    SET job.started_at = CASE job.status WHEN 'QUEUED' THEN the_at ELSE job.started_at END,
        job.status = 'IN_PROGRESS', job.scheduled = job.scheduled - moved.tasks,
        job.in_progress = job.in_progress + moved.tasks, job.version = job.version + 1;

    UPDATE task JOIN {_TAKEN} ON task.id = took.task_id
    SET task.status = 'IN_PROGRESS', task.worker_id = the_worker_id,
        task.attempt = task.attempt + 1, task.started_at = the_at, task.finished_at = NULL,
        task.error = NULL, task.result = NULL;
  END IF;
""",
)

_SAID_OF_JOBS: Final = _listed(
    "the_jobs",
    *("id BIGINT", "done INT", "failed INT", "cancelled INT", "may_end BOOLEAN"),
    alias="said",
)
_SAID_OF_TASKS: Final = _listed(
    "the_tasks",
    *("task_id BIGINT", "attempt INT", "status VARCHAR(20)"),
    *("started_at VARCHAR(27)", "finished_at VARCHAR(27)"),
    *("state LONGTEXT", "result LONGTEXT", "error LONGTEXT"),
    alias="said",
)
_BAD: Final = _listed(
    "the_attempts",
    *("task_id BIGINT", "number INT", "status VARCHAR(20)"),
    *("started_at VARCHAR(27)", "finished_at VARCHAR(27)"),
    *("error LONGTEXT", "traceback LONGTEXT"),
    alias="bad",
)
_LINES: Final = _listed(
    "the_logs",
    *("job_id BIGINT", "task_id BIGINT", "attempt INT"),
    *("at VARCHAR(27)", "level VARCHAR(10)", "message LONGTEXT"),
    alias="line",
)
_RUN_AFTER: Final = ("task_id BIGINT", "attempt INT", "run_after VARCHAR(27)")
_STATES: Final = ("job_id BIGINT", "base BIGINT", "state LONGTEXT")
GROUP: Final = _procedure(
    "journal_group",
    "last_group",
    "the_jobs LONGTEXT, the_tasks LONGTEXT, the_attempts LONGTEXT, the_retries LONGTEXT,\n"
    "  the_logs LONGTEXT, the_job_states LONGTEXT",
    "again",
    f"""
  IF JSON_LENGTH(the_job_states) > 0 THEN
    UPDATE job JOIN {_listed("the_job_states", *_STATES, alias="newer")}
      ON job.id = newer.job_id AND job.state_version = newer.base
    SET job.state = newer.state, job.state_version = job.state_version + 1,
        job.version = job.version + 1;
    IF ROW_COUNT() < JSON_LENGTH(the_job_states) THEN
      {_refuse("moved")};
    END IF;
  END IF;

  UPDATE job JOIN (
    SELECT said.*, {_here(ENDS)} AS ends
    FROM {_SAID_OF_JOBS}
    JOIN job ON job.id = said.id) AS said ON job.id = said.id
  SET {_here(_of_job(COUNTED))};

  IF JSON_LENGTH(the_tasks) > 0 THEN
    UPDATE task JOIN {_SAID_OF_TASKS}
      ON task.id = said.task_id AND task.attempt = said.attempt
    SET task.status = coalesce(said.status, task.status),
        task.started_at = coalesce(said.started_at, task.started_at),
        task.finished_at = said.finished_at, task.state = coalesce(said.state, task.state),
        task.result = said.result, task.error = said.error
    WHERE task.worker_id = the_worker_id AND task.status = 'IN_PROGRESS';
    IF ROW_COUNT() < JSON_LENGTH(the_tasks) THEN
      {_refuse("lost")};
    END IF;
  END IF;

  IF JSON_LENGTH(the_attempts) > 0 THEN
    INSERT INTO attempt
      (task_id, number, status, worker_id, started_at, finished_at, error, traceback)
    SELECT bad.task_id, bad.number, bad.status, the_worker_id, bad.started_at, bad.finished_at,
           bad.error, bad.traceback
    FROM {_BAD}
    JOIN task ON task.id = bad.task_id AND task.attempt = bad.number
      AND task.worker_id = the_worker_id;
  END IF;

  IF JSON_LENGTH(the_retries) > 0 THEN
    SET {_COUNTS_ITSELF} = NULL;
    SELECT JSON_ARRAYAGG(JSON_ARRAY(task.id, task.attempt, failed.run_after)) INTO again
    FROM {_listed("the_retries", *_RUN_AFTER, alias="failed")}
    JOIN task ON task.id = failed.task_id AND task.attempt = failed.attempt
    JOIN job ON job.id = task.job_id
    WHERE task.worker_id = the_worker_id AND task.status = 'FAILED'
      AND job.cancel_requested_at IS NULL;
    UPDATE task JOIN {_listed("again", *_RUN_AFTER, alias="later")} ON task.id = later.task_id
    SET task.status = 'SCHEDULED', task.worker_id = NULL, task.started_at = NULL,
        task.finished_at = NULL, task.run_after = later.run_after, task.retries = task.retries + 1;
  END IF;

  IF JSON_LENGTH(the_logs) > 0 THEN
    INSERT INTO log_line (job_id, task_id, attempt, at, level, message)
    SELECT line.job_id, line.task_id, line.attempt, line.at, line.level, line.message
    FROM {_LINES}
    JOIN task ON task.id = line.task_id;
  END IF;
""",
)

PROGRAMS: Final = (*COUNTING, CLAIM, GROUP, QUEUED_ON_MARIADB)
