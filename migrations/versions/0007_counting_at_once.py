"""Counting what a claim or a group does to a job in the one update that starts or ends it."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the views and triggers of SQLite anew."""
    if op.get_context().dialect.name == "sqlite":
        for statement in STATEMENTS:
            op.get_bind().exec_driver_sql(statement)


STATEMENTS = (
    "DROP TRIGGER task_counted",
    "DROP TRIGGER claim_made",
    "DROP VIEW claim",
    "DROP TRIGGER journal_group_written",
    "DROP VIEW journal_group",
    """CREATE TRIGGER task_counted AFTER UPDATE OF status ON task
WHEN NEW.status <> 'IN_PROGRESS' AND NEW.status <> OLD.status
  AND (OLD.status <> 'IN_PROGRESS' OR NEW.status = 'SCHEDULED' OR NEW.crashes <> OLD.crashes) BEGIN
  UPDATE job SET version = version + 1,
    scheduled = scheduled - (OLD.status = 'SCHEDULED') + (NEW.status = 'SCHEDULED'),
    in_progress = in_progress - (OLD.status = 'IN_PROGRESS') + (NEW.status = 'IN_PROGRESS'),
    done = done - (OLD.status = 'DONE') + (NEW.status = 'DONE'),
    failed = failed - (OLD.status = 'FAILED') + (NEW.status = 'FAILED'),
    cancelled = cancelled - (OLD.status = 'CANCELLED') + (NEW.status = 'CANCELLED'),
    skipped = skipped - (OLD.status = 'SKIPPED') + (NEW.status = 'SKIPPED')
  WHERE id = NEW.job_id;
END""",
    """CREATE VIEW claim AS SELECT
  NULL AS worker_id, NULL AS number, NULL AS at, NULL AS finish, NULL AS steps, NULL AS jobs""",
    """CREATE TRIGGER claim_made INSTEAD OF INSERT ON claim BEGIN
  SELECT RAISE(ABORT, 'jobdeck: fenced')
  WHERE NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive);

  UPDATE job SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
                 finished_at = NEW.at, finish_step = NULL, version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.finish))
    AND +status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL;

  UPDATE job SET finisher = NEW.worker_id, finish_step = coalesce(finish_step, 'before'),
                 version = version + 1
  WHERE id IN (SELECT value FROM json_each(NEW.steps)) AND finisher IS NULL
    AND (finish_step = 'after'
         OR (+status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
             AND cancel_requested_at IS NULL))
    AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at));

  UPDATE task SET status = 'IN_PROGRESS', worker_id = NEW.worker_id, attempt = attempt + 1,
                  started_at = NEW.at, finished_at = NULL, error = NULL, result = NULL,
                  version = (SELECT version + 1 FROM job WHERE id = task.job_id)
  WHERE id IN (
    SELECT ready.id FROM (
      SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS rank,
             json_extract(value, '$[2]') AS tasks
      FROM json_each(NEW.jobs)) AS asked
    CROSS JOIN job ON job.id = asked.id
    CROSS JOIN handler ON handler.name = job.handler
    CROSS JOIN json_each(asked.tasks) AS wanted
    CROSS JOIN task AS ready ON ready.id = wanted.value AND +ready.job_id = job.id
    WHERE job.cancel_requested_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at))
      AND (+job.status = 'IN_PROGRESS'
           OR (asked.rank IS NOT NULL AND +job.status = 'QUEUED' AND NOT job.held
               AND job.preparing_until IS NULL AND job.retrying IS NULL
               AND coalesce(handler.running + asked.rank <= nullif(coalesce(
          handler.set_concurrency_limit, handler.concurrency_limit), 0), true)))
      AND +ready.status = 'SCHEDULED' AND ready.run_after IS NULL
      AND coalesce(job.in_progress + wanted.key < nullif(coalesce(
          job.parallel_limit, handler.set_parallel_limit, handler.parallel_limit), 0), true));

  UPDATE job SET status = 'IN_PROGRESS',
                 started_at = CASE job.status WHEN 'QUEUED' THEN NEW.at ELSE job.started_at END,
                 scheduled = job.scheduled - asked.taken,
                 in_progress = job.in_progress + asked.taken, version = job.version + 1
  FROM (
    SELECT id, rank, (
      SELECT count(*) FROM json_each(asked.tasks) AS wanted
      CROSS JOIN task ON task.id = wanted.value AND +task.job_id = asked.id
      WHERE +task.worker_id = NEW.worker_id AND +task.status = 'IN_PROGRESS'
        AND task.started_at = NEW.at) AS taken
    FROM (
      SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS rank,
             json_extract(value, '$[2]') AS tasks
      FROM json_each(NEW.jobs)) AS asked LIMIT -1
  ) AS asked
  WHERE job.id = asked.id
    AND (asked.taken > 0
         OR (+job.status = 'QUEUED' AND EXISTS (
      SELECT 1 FROM handler WHERE handler.name = job.handler
      AND job.cancel_requested_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > NEW.at))
      AND (+job.status = 'IN_PROGRESS'
           OR (asked.rank IS NOT NULL AND +job.status = 'QUEUED' AND NOT job.held
               AND job.preparing_until IS NULL AND job.retrying IS NULL
               AND coalesce(handler.running + asked.rank <= nullif(coalesce(
          handler.set_concurrency_limit, handler.concurrency_limit), 0), true))))));
END""",
    """CREATE VIEW journal_group AS SELECT
  NULL AS worker_id, NULL AS number, NULL AS at, NULL AS jobs, NULL AS tasks, NULL AS attempts,
  NULL AS retries, NULL AS logs, NULL AS job_states""",
    """CREATE TRIGGER journal_group_written INSTEAD OF INSERT ON journal_group BEGIN
  SELECT RAISE(ABORT, 'jobdeck: fenced')
  WHERE NOT EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive);

  SELECT RAISE(ABORT, 'jobdeck: moved') FROM json_each(NEW.job_states) AS newer
  LEFT JOIN job ON job.id = json_extract(newer.value, '$[0]')
  WHERE job.state_version IS NOT json_extract(newer.value, '$[1]');

  UPDATE job SET state = json_extract(newer.value, '$[2]'),
                 state_version = state_version + 1, version = version + 1
  FROM json_each(NEW.job_states) AS newer WHERE job.id = json_extract(newer.value, '$[0]');

  UPDATE job SET in_progress = job.in_progress - said.done - said.failed - said.cancelled,
                 done = job.done + said.done, failed = job.failed + said.failed,
                 cancelled = job.cancelled + said.cancelled, version = job.version + 1,
                 finished_at = CASE WHEN said.ends THEN NEW.at ELSE job.finished_at END,
                 finish_step = CASE WHEN NOT said.ends THEN job.finish_step END,
                 status = CASE WHEN NOT said.ends THEN job.status
                   WHEN job.cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN job.failed + said.failed > 0 OR job.cancelled + said.cancelled > 0
                   THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END
  FROM (
    SELECT said.*, coalesce(said.may_end, job.cancel_requested_at IS NOT NULL)
             AND +job.status = 'IN_PROGRESS' AND job.finisher IS NULL AND job.scheduled = 0
             AND job.in_progress = said.done + said.failed + said.cancelled AS ends
    FROM (
      SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS done,
             json_extract(value, '$[2]') AS failed, json_extract(value, '$[3]') AS cancelled,
             json_extract(value, '$[4]') AS may_end
      FROM json_each(NEW.jobs) LIMIT -1
    ) AS said CROSS JOIN job ON job.id = said.id LIMIT -1
  ) AS said WHERE job.id = said.id;

  UPDATE task SET status = coalesce(json_extract(said.value, '$[2]'), status),
                  started_at = coalesce(json_extract(said.value, '$[3]'), started_at),
                  finished_at = json_extract(said.value, '$[4]'),
                  state = coalesce(json_extract(said.value, '$[5]'), state),
                  result = json_extract(said.value, '$[6]'),
                  error = json_extract(said.value, '$[7]'),
                  version = (SELECT version FROM job WHERE id = task.job_id)
  FROM json_each(NEW.tasks) AS said
  WHERE task.id = json_extract(said.value, '$[0]')
    AND +task.attempt = json_extract(said.value, '$[1]')
    AND +task.worker_id = NEW.worker_id AND +task.status = 'IN_PROGRESS';

  SELECT RAISE(ABORT, 'jobdeck: lost') WHERE changes() < json_array_length(NEW.tasks);

  INSERT INTO attempt
    (task_id, number, status, worker_id, started_at, finished_at, error, traceback)
  SELECT json_extract(bad.value, '$[0]'), json_extract(bad.value, '$[1]'),
         json_extract(bad.value, '$[2]'), NEW.worker_id, json_extract(bad.value, '$[3]'),
         json_extract(bad.value, '$[4]'), json_extract(bad.value, '$[5]'),
         json_extract(bad.value, '$[6]')
  FROM json_each(NEW.attempts) AS bad
  JOIN task ON task.id = json_extract(bad.value, '$[0]')
    AND task.attempt = json_extract(bad.value, '$[1]') AND task.worker_id = NEW.worker_id;

  UPDATE task SET status = 'SCHEDULED', worker_id = NULL, started_at = NULL, finished_at = NULL,
                  run_after = json_extract(again.value, '$[2]'), retries = retries + 1,
                  version = (SELECT version + 1 FROM job WHERE id = task.job_id)
  FROM json_each(NEW.retries) AS again
  WHERE task.id = json_extract(again.value, '$[0]')
    AND +task.attempt = json_extract(again.value, '$[1]')
    AND +task.worker_id = NEW.worker_id AND +task.status = 'FAILED'
    AND (SELECT cancel_requested_at FROM job WHERE id = task.job_id) IS NULL;

  INSERT INTO log_line (job_id, task_id, attempt, at, level, message)
  SELECT json_extract(line.value, '$[0]'), json_extract(line.value, '$[1]'),
         json_extract(line.value, '$[2]'), json_extract(line.value, '$[3]'),
         json_extract(line.value, '$[4]'), json_extract(line.value, '$[5]')
  FROM json_each(NEW.logs) AS line
  JOIN task ON task.id = json_extract(line.value, '$[1]');
END""",
)
