"""The whole schema on MariaDB, which begins with this revision; elsewhere nothing is to do."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what is not there yet: what was broken off goes on when it is run again."""
    if op.get_context().dialect.name == "mariadb":
        for statement in STATEMENTS:
            op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


# A condition of an index is a column in front of it: MariaDB has no partial ones. The collation
# compares texts by their letters.
STATEMENTS = (
    "ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    """CREATE TABLE IF NOT EXISTS handler (
  name VARCHAR(100) NOT NULL,
  concurrency_limit INTEGER,
  parallel_limit INTEGER,
  running INTEGER NOT NULL DEFAULT 0,
  roles LONGTEXT NOT NULL DEFAULT '{}',
  set_concurrency_limit INTEGER,
  set_parallel_limit INTEGER,
  limits_set_at VARCHAR(27),
  limits_set_by BIGINT,
  CONSTRAINT pk_handler PRIMARY KEY (name)
)""",
    """CREATE TABLE IF NOT EXISTS mark (
  token VARCHAR(32) NOT NULL,
  at VARCHAR(27) NOT NULL,
  CONSTRAINT pk_mark PRIMARY KEY (token),
  INDEX ix_mark_at (at)
)""",
    """CREATE TABLE IF NOT EXISTS "user" (
  id BIGINT NOT NULL AUTO_INCREMENT,
  email VARCHAR(254) NOT NULL,
  password_hash VARCHAR(200),
  role VARCHAR(20) NOT NULL,
  disabled BOOL NOT NULL DEFAULT false,
  created_at VARCHAR(27) NOT NULL,
  last_sign_in_at VARCHAR(27),
  time_zone VARCHAR(64),
  has_chosen_zone BOOL NOT NULL DEFAULT false,
  CONSTRAINT pk_user PRIMARY KEY (id),
  CONSTRAINT ck_user_email_in_small_letters
    CHECK (email = lower(email)),
  CONSTRAINT ck_user_role
    CHECK (role IN ('viewer', 'operator', 'superadmin')),
  CONSTRAINT uq_user_email UNIQUE (email)
)""",
    """CREATE TABLE IF NOT EXISTS worker (
  id BIGINT NOT NULL AUTO_INCREMENT,
  host VARCHAR(255) NOT NULL,
  pid INTEGER NOT NULL,
  mark VARCHAR(64) NOT NULL,
  handlers LONGTEXT NOT NULL,
  alive BOOL NOT NULL,
  started_at VARCHAR(27) NOT NULL,
  expires_at VARCHAR(27) NOT NULL,
  last_claim BIGINT NOT NULL DEFAULT 0,
  last_group BIGINT NOT NULL DEFAULT 0,
  threads INTEGER NOT NULL DEFAULT 0,
  renewed_at VARCHAR(27),
  CONSTRAINT pk_worker PRIMARY KEY (id)
)""",
    """CREATE TABLE IF NOT EXISTS job (
  id BIGINT NOT NULL AUTO_INCREMENT,
  name VARCHAR(500) NOT NULL,
  handler VARCHAR(100) NOT NULL,
  status VARCHAR(20) NOT NULL,
  held BOOL NOT NULL DEFAULT false,
  priority INTEGER NOT NULL DEFAULT 100,
  parallel_limit INTEGER,
  preparing_until VARCHAR(27),
  total INTEGER NOT NULL DEFAULT 0,
  scheduled INTEGER NOT NULL DEFAULT 0,
  in_progress INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  progress INTEGER GENERATED ALWAYS AS (
    CASE WHEN total = 0 THEN CASE WHEN cancel_requested_at IS NULL THEN 100 ELSE 0 END
    WHEN cancel_requested_at IS NULL THEN (done + failed + cancelled + skipped) * 100 DIV total
    ELSE (done + failed + skipped) * 100 DIV total END) STORED,
  version INTEGER NOT NULL DEFAULT 0,
  created_at VARCHAR(27) NOT NULL,
  started_at VARCHAR(27),
  finished_at VARCHAR(27),
  started_by BIGINT,
  cancel_requested_at VARCHAR(27),
  cancel_requested_by BIGINT,
  error LONGTEXT,
  state_version INTEGER NOT NULL DEFAULT 0,
  params LONGTEXT NOT NULL DEFAULT '{}',
  input LONGTEXT NOT NULL DEFAULT '{}',
  state LONGTEXT NOT NULL DEFAULT '{}',
  end_index INTEGER NOT NULL DEFAULT 0,
  adding_until VARCHAR(27),
  retrying LONGTEXT,
  finish_step VARCHAR(10),
  finisher BIGINT,
  finish_rounds INTEGER NOT NULL DEFAULT 0,
  finish_crashes INTEGER NOT NULL DEFAULT 0,
  waiting INTEGER NOT NULL DEFAULT 0,
  retries INTEGER,
  timeout DOUBLE,
  due_at VARCHAR(27),
  waiting_until VARCHAR(27),
  rescheduled_from_job BIGINT,
  reschedules INTEGER NOT NULL DEFAULT 0,
  started_by_job BIGINT,
  CONSTRAINT pk_job PRIMARY KEY (id),
  CONSTRAINT ck_job_status
    CHECK (status IN ('QUEUED', 'IN_PROGRESS', 'DONE', 'DONE_WITH_ERRORS', 'CANCELLED')),
  CONSTRAINT fk_job_started_by_user FOREIGN KEY(started_by)
    REFERENCES \"user\" (id) ON DELETE SET NULL,
  CONSTRAINT fk_job_cancel_requested_by_user FOREIGN KEY(cancel_requested_by)
    REFERENCES \"user\" (id) ON DELETE SET NULL,
  INDEX ix_job_status (status, id),
  INDEX ix_job_handler (handler, id),
  INDEX ix_job_queued (handler, status, waiting_until, priority, id),
  INDEX ix_job_waiting (waiting_until),
  INDEX ix_job_rescheduled (rescheduled_from_job, id),
  INDEX ix_job_started_by_job (started_by_job, id),
  INDEX ix_job_in_progress (status, priority, id),
  INDEX ix_job_preparing (preparing_until),
  INDEX ix_job_name (name, id),
  INDEX ix_job_finished_at (finished_at, id),
  INDEX ix_job_created_at (created_at, id),
  INDEX ix_job_started_by (started_by, id),
  INDEX ix_job_active (started_by, status, id),
  INDEX ix_job_cancelling (status, cancel_requested_at),
  INDEX ix_job_retrying (retrying(1)),
  INDEX ix_job_adding (adding_until),
  INDEX ix_job_finisher (finisher),
  INDEX ix_job_canceller (cancel_requested_by),
  INDEX ix_job_finishing (finish_step)
)""",
    """CREATE TABLE IF NOT EXISTS one_time_link (
  id BIGINT NOT NULL AUTO_INCREMENT,
  token_hash VARCHAR(64) NOT NULL,
  user_id BIGINT,
  created_at VARCHAR(27) NOT NULL,
  expires_at VARCHAR(27) NOT NULL,
  CONSTRAINT pk_one_time_link PRIMARY KEY (id),
  CONSTRAINT uq_one_time_link_token_hash UNIQUE (token_hash),
  CONSTRAINT fk_one_time_link_user_id_user FOREIGN KEY(user_id)
    REFERENCES \"user\" (id) ON DELETE CASCADE,
  INDEX ix_one_time_link_user_id (user_id)
)""",
    """CREATE TABLE IF NOT EXISTS pause (
  handler VARCHAR(100) NOT NULL,
  paused_at VARCHAR(27) NOT NULL,
  paused_by BIGINT,
  reason VARCHAR(500) NOT NULL,
  until VARCHAR(27),
  CONSTRAINT pk_pause PRIMARY KEY (handler),
  CONSTRAINT fk_pause_paused_by_user FOREIGN KEY(paused_by)
    REFERENCES \"user\" (id) ON DELETE SET NULL
)""",
    """CREATE TABLE IF NOT EXISTS sign_in (
  "key" VARCHAR(43) NOT NULL,
  user_id BIGINT NOT NULL,
  created_at VARCHAR(27) NOT NULL,
  expires_at VARCHAR(27) NOT NULL,
  CONSTRAINT pk_sign_in PRIMARY KEY ("key"),
  CONSTRAINT fk_sign_in_user_id_user FOREIGN KEY(user_id)
    REFERENCES \"user\" (id) ON DELETE CASCADE,
  INDEX ix_sign_in_user_id (user_id)
)""",
    """CREATE TABLE IF NOT EXISTS file (
  id BIGINT NOT NULL AUTO_INCREMENT,
  token VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  size BIGINT NOT NULL,
  role VARCHAR(20) NOT NULL,
  uploaded BOOL NOT NULL,
  uploaded_by BIGINT,
  job_id BIGINT,
  created_at VARCHAR(27) NOT NULL,
  expires_at VARCHAR(27),
  CONSTRAINT pk_file PRIMARY KEY (id),
  CONSTRAINT ck_file_role
    CHECK (role IN ('viewer', 'operator', 'superadmin')),
  CONSTRAINT uq_file_token UNIQUE (token),
  CONSTRAINT fk_file_uploaded_by_user FOREIGN KEY(uploaded_by)
    REFERENCES \"user\" (id) ON DELETE SET NULL,
  CONSTRAINT fk_file_job_id_job FOREIGN KEY(job_id)
    REFERENCES job (id) ON DELETE SET NULL,
  INDEX ix_file_uploaded_by (uploaded_by),
  INDEX ix_file_without_job (expires_at),
  UNIQUE INDEX uq_file_job_id_name (job_id, name)
)""",
    """CREATE TABLE IF NOT EXISTS task (
  id BIGINT NOT NULL AUTO_INCREMENT,
  job_id BIGINT NOT NULL,
  idx BIGINT NOT NULL,
  status VARCHAR(20) NOT NULL,
  worker_id BIGINT,
  attempt INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 0,
  started_at VARCHAR(27),
  finished_at VARCHAR(27),
  error LONGTEXT,
  state LONGTEXT NOT NULL DEFAULT '{}',
  result LONGTEXT,
  run_after VARCHAR(27),
  retries INTEGER NOT NULL DEFAULT 0,
  CONSTRAINT pk_task PRIMARY KEY (id),
  CONSTRAINT ck_task_status
    CHECK (status IN ('SCHEDULED', 'IN_PROGRESS', 'DONE', 'FAILED', 'CANCELLED', 'SKIPPED')),
  CONSTRAINT fk_task_job_id_job FOREIGN KEY(job_id)
    REFERENCES job (id) ON DELETE CASCADE,
  UNIQUE INDEX uq_task_job_id_idx (job_id, idx),
  INDEX ix_task_scheduled (job_id, status, run_after, idx),
  INDEX ix_task_status (job_id, status, idx),
  INDEX ix_task_run_after (run_after),
  INDEX ix_task_suspect (status, crashes)
)""",
    """CREATE TABLE IF NOT EXISTS attempt (
  id BIGINT NOT NULL AUTO_INCREMENT,
  task_id BIGINT NOT NULL,
  number INTEGER NOT NULL,
  status VARCHAR(20) NOT NULL,
  worker_id BIGINT,
  started_at VARCHAR(27),
  finished_at VARCHAR(27),
  error LONGTEXT,
  traceback LONGTEXT,
  CONSTRAINT pk_attempt PRIMARY KEY (id),
  CONSTRAINT fk_attempt_task_id_task FOREIGN KEY(task_id)
    REFERENCES task (id) ON DELETE CASCADE,
  UNIQUE INDEX uq_attempt_task_id_number (task_id, number)
)""",
    """CREATE TABLE IF NOT EXISTS log_line (
  id BIGINT NOT NULL AUTO_INCREMENT,
  job_id BIGINT NOT NULL,
  task_id BIGINT NOT NULL,
  attempt INTEGER NOT NULL,
  at VARCHAR(27) NOT NULL,
  level VARCHAR(10) NOT NULL,
  message LONGTEXT NOT NULL,
  CONSTRAINT pk_log_line PRIMARY KEY (id),
  CONSTRAINT fk_log_line_job_id_job FOREIGN KEY(job_id)
    REFERENCES job (id) ON DELETE CASCADE,
  CONSTRAINT fk_log_line_task_id_task FOREIGN KEY(task_id)
    REFERENCES task (id) ON DELETE CASCADE,
  INDEX ix_log_line_job_id_id (job_id, id),
  INDEX ix_log_line_task_id_id (task_id, id)
)""",
    """CREATE TABLE IF NOT EXISTS turn (
  id TINYINT NOT NULL,
  PRIMARY KEY (id)
)""",
    """INSERT IGNORE INTO turn (id) VALUES (1)""",
    """CREATE OR REPLACE TRIGGER task_versioned BEFORE UPDATE ON task FOR EACH ROW
  SET NEW.version = (
    SELECT version + (@jobdeck_counts_itself IS NULL) FROM job WHERE id = NEW.job_id)""",
    """CREATE OR REPLACE TRIGGER task_counted AFTER UPDATE ON task FOR EACH ROW
  IF @jobdeck_counts_itself IS NULL
     AND (NEW.status <> OLD.status OR (NEW.run_after IS NULL) <> (OLD.run_after IS NULL)) THEN
    UPDATE job SET version = version + 1,
      scheduled = scheduled - (OLD.status = 'SCHEDULED') + (NEW.status = 'SCHEDULED'),
      in_progress = in_progress - (OLD.status = 'IN_PROGRESS') + (NEW.status = 'IN_PROGRESS'),
      done = done - (OLD.status = 'DONE') + (NEW.status = 'DONE'),
      failed = failed - (OLD.status = 'FAILED') + (NEW.status = 'FAILED'),
      cancelled = cancelled - (OLD.status = 'CANCELLED') + (NEW.status = 'CANCELLED'),
      skipped = skipped - (OLD.status = 'SKIPPED') + (NEW.status = 'SKIPPED'),
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
    """CREATE OR REPLACE PROCEDURE claim (
  the_worker_id BIGINT, the_number BIGINT, the_at VARCHAR(27),
  the_finish LONGTEXT, the_steps LONGTEXT, the_jobs LONGTEXT)
MODIFIES SQL DATA
turn: BEGIN
  DECLARE is_whole BOOLEAN DEFAULT NOT @@in_transaction;
  DECLARE taken, started LONGTEXT;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN
    SET @jobdeck_counts_itself = NULL;
    IF is_whole THEN ROLLBACK; ELSE ROLLBACK TO SAVEPOINT jobdeck; END IF;
    RESIGNAL;
  END;
  IF is_whole THEN START TRANSACTION; ELSE SAVEPOINT jobdeck; END IF;
  SELECT id INTO @jobdeck_turn FROM turn WHERE id = 1 FOR UPDATE;
  UPDATE worker SET last_claim = the_number
  WHERE id = the_worker_id AND alive AND last_claim < the_number;
  IF ROW_COUNT() = 0 THEN
    IF EXISTS (SELECT 1 FROM worker WHERE id = the_worker_id AND alive) THEN
      IF is_whole THEN ROLLBACK; END IF;
      LEAVE turn;
    END IF;
    SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'jobdeck: fenced';
  END IF;
  SET @jobdeck_counts_itself = true;

  IF JSON_LENGTH(the_finish) > 0 THEN
    UPDATE job
    JOIN JSON_TABLE(the_finish, '$[*]' COLUMNS (job_id BIGINT PATH '$')) AS asked
      ON job.id = asked.job_id
    SET status = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN failed > 0 OR cancelled > 0 THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END,
        finished_at = the_at, finish_step = NULL, version = version + 1
    WHERE status = 'IN_PROGRESS' AND scheduled = 0 AND in_progress = 0
    AND finisher IS NULL;
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
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > the_at));
  END IF;

  IF JSON_LENGTH(the_jobs) > 0 THEN
    SELECT JSON_ARRAYAGG(DISTINCT asked.id) INTO started
    FROM JSON_TABLE(the_jobs, '$[*]' COLUMNS (
      id BIGINT PATH '$[0]', rank BIGINT PATH '$[1]',
      NESTED PATH '$[2][*]' COLUMNS (place FOR ORDINALITY, task_id BIGINT PATH '$'))) AS asked
    JOIN job ON job.id = asked.id JOIN handler ON handler.name = job.handler
    WHERE job.status = 'QUEUED' AND job.cancel_requested_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > the_at))
      AND (job.status = 'IN_PROGRESS'
           OR (asked.rank IS NOT NULL AND job.status = 'QUEUED' AND NOT job.held
               AND job.preparing_until IS NULL AND job.retrying IS NULL
               AND coalesce(handler.running + asked.rank <= nullif(coalesce(
          handler.set_concurrency_limit, handler.concurrency_limit), 0), true)));

    SELECT JSON_ARRAYAGG(JSON_ARRAY(ready.id, job.id)) INTO taken
    FROM JSON_TABLE(the_jobs, '$[*]' COLUMNS (
      id BIGINT PATH '$[0]', rank BIGINT PATH '$[1]',
      NESTED PATH '$[2][*]' COLUMNS (place FOR ORDINALITY, task_id BIGINT PATH '$'))) AS asked
    JOIN job ON job.id = asked.id JOIN handler ON handler.name = job.handler
    JOIN task AS ready ON ready.id = asked.task_id AND ready.job_id = job.id
    WHERE job.cancel_requested_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM pause WHERE pause.handler IN (job.handler, '*')
            AND (pause.until IS NULL OR pause.until > the_at))
      AND (job.status = 'IN_PROGRESS'
           OR (asked.rank IS NOT NULL AND job.status = 'QUEUED' AND NOT job.held
               AND job.preparing_until IS NULL AND job.retrying IS NULL
               AND coalesce(handler.running + asked.rank <= nullif(coalesce(
          handler.set_concurrency_limit, handler.concurrency_limit), 0), true)))
      AND ready.status = 'SCHEDULED' AND ready.run_after IS NULL
      AND coalesce(job.in_progress + asked.place <= nullif(coalesce(
          job.parallel_limit, handler.set_parallel_limit, handler.parallel_limit), 0), true);

    UPDATE job JOIN (
      SELECT job_id, sum(tasks) AS tasks FROM (
        SELECT took.job_id, 1 AS tasks FROM JSON_TABLE(taken, '$[*]' COLUMNS (
      task_id BIGINT PATH '$[0]',
      job_id BIGINT PATH '$[1]')) AS took
        UNION ALL
        SELECT begun.job_id, 0
        FROM JSON_TABLE(started, '$[*]' COLUMNS (job_id BIGINT PATH '$')) AS begun) AS each_one
      GROUP BY job_id) AS moved ON job.id = moved.job_id
    SET job.started_at = CASE job.status WHEN 'QUEUED' THEN the_at ELSE job.started_at END,
        job.status = 'IN_PROGRESS', job.scheduled = job.scheduled - moved.tasks,
        job.in_progress = job.in_progress + moved.tasks, job.version = job.version + 1;

    UPDATE task JOIN JSON_TABLE(taken, '$[*]' COLUMNS (
      task_id BIGINT PATH '$[0]',
      job_id BIGINT PATH '$[1]')) AS took ON task.id = took.task_id
    SET task.status = 'IN_PROGRESS', task.worker_id = the_worker_id,
        task.attempt = task.attempt + 1, task.started_at = the_at, task.finished_at = NULL,
        task.error = NULL, task.result = NULL;
  END IF;

  SET @jobdeck_counts_itself = NULL;
  IF is_whole THEN COMMIT; END IF;
END""",
    """CREATE OR REPLACE PROCEDURE journal_group (
  the_worker_id BIGINT, the_number BIGINT, the_at VARCHAR(27),
  the_jobs LONGTEXT, the_tasks LONGTEXT, the_attempts LONGTEXT, the_retries LONGTEXT,
  the_logs LONGTEXT, the_job_states LONGTEXT)
MODIFIES SQL DATA
turn: BEGIN
  DECLARE is_whole BOOLEAN DEFAULT NOT @@in_transaction;
  DECLARE again LONGTEXT;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN
    SET @jobdeck_counts_itself = NULL;
    IF is_whole THEN ROLLBACK; ELSE ROLLBACK TO SAVEPOINT jobdeck; END IF;
    RESIGNAL;
  END;
  IF is_whole THEN START TRANSACTION; ELSE SAVEPOINT jobdeck; END IF;
  SELECT id INTO @jobdeck_turn FROM turn WHERE id = 1 FOR UPDATE;
  UPDATE worker SET last_group = the_number
  WHERE id = the_worker_id AND alive AND last_group < the_number;
  IF ROW_COUNT() = 0 THEN
    IF EXISTS (SELECT 1 FROM worker WHERE id = the_worker_id AND alive) THEN
      IF is_whole THEN ROLLBACK; END IF;
      LEAVE turn;
    END IF;
    SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'jobdeck: fenced';
  END IF;
  SET @jobdeck_counts_itself = true;

  IF JSON_LENGTH(the_job_states) > 0 THEN
    UPDATE job JOIN JSON_TABLE(the_job_states, '$[*]' COLUMNS (
      job_id BIGINT PATH '$[0]',
      base BIGINT PATH '$[1]',
      state LONGTEXT PATH '$[2]')) AS newer
      ON job.id = newer.job_id AND job.state_version = newer.base
    SET job.state = newer.state, job.state_version = job.state_version + 1,
        job.version = job.version + 1;
    IF ROW_COUNT() < JSON_LENGTH(the_job_states) THEN
      SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'jobdeck: moved';
    END IF;
  END IF;

  UPDATE job JOIN (
    SELECT said.*, coalesce(said.may_end, job.cancel_requested_at IS NOT NULL)
             AND job.status = 'IN_PROGRESS' AND job.finisher IS NULL AND job.scheduled = 0
             AND job.in_progress = said.done + said.failed + said.cancelled AS ends
    FROM JSON_TABLE(the_jobs, '$[*]' COLUMNS (
      id BIGINT PATH '$[0]',
      done INT PATH '$[1]',
      failed INT PATH '$[2]',
      cancelled INT PATH '$[3]',
      may_end BOOLEAN PATH '$[4]')) AS said
    JOIN job ON job.id = said.id) AS said ON job.id = said.id
  SET job.in_progress = job.in_progress - said.done - said.failed - said.cancelled,
                 job.done = job.done + said.done, job.failed = job.failed + said.failed,
                 job.cancelled = job.cancelled + said.cancelled, job.version = job.version + 1,
                 job.finished_at = CASE WHEN said.ends THEN the_at ELSE job.finished_at END,
                 job.finish_step = CASE WHEN NOT said.ends THEN job.finish_step END,
                 job.status = CASE WHEN NOT said.ends THEN job.status
                   WHEN job.cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                   WHEN job.failed + said.failed > 0 OR job.cancelled + said.cancelled > 0
                   THEN 'DONE_WITH_ERRORS' ELSE 'DONE' END;

  IF JSON_LENGTH(the_tasks) > 0 THEN
    UPDATE task JOIN JSON_TABLE(the_tasks, '$[*]' COLUMNS (
      task_id BIGINT PATH '$[0]',
      attempt INT PATH '$[1]',
      status VARCHAR(20) PATH '$[2]',
      started_at VARCHAR(27) PATH '$[3]',
      finished_at VARCHAR(27) PATH '$[4]',
      state LONGTEXT PATH '$[5]',
      result LONGTEXT PATH '$[6]',
      error LONGTEXT PATH '$[7]')) AS said
      ON task.id = said.task_id AND task.attempt = said.attempt
    SET task.status = coalesce(said.status, task.status),
        task.started_at = coalesce(said.started_at, task.started_at),
        task.finished_at = said.finished_at, task.state = coalesce(said.state, task.state),
        task.result = said.result, task.error = said.error
    WHERE task.worker_id = the_worker_id AND task.status = 'IN_PROGRESS';
    IF ROW_COUNT() < JSON_LENGTH(the_tasks) THEN
      SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'jobdeck: lost';
    END IF;
  END IF;

  IF JSON_LENGTH(the_attempts) > 0 THEN
    INSERT INTO attempt
      (task_id, number, status, worker_id, started_at, finished_at, error, traceback)
    SELECT bad.task_id, bad.number, bad.status, the_worker_id, bad.started_at, bad.finished_at,
           bad.error, bad.traceback
    FROM JSON_TABLE(the_attempts, '$[*]' COLUMNS (
      task_id BIGINT PATH '$[0]',
      number INT PATH '$[1]',
      status VARCHAR(20) PATH '$[2]',
      started_at VARCHAR(27) PATH '$[3]',
      finished_at VARCHAR(27) PATH '$[4]',
      error LONGTEXT PATH '$[5]',
      traceback LONGTEXT PATH '$[6]')) AS bad
    JOIN task ON task.id = bad.task_id AND task.attempt = bad.number
      AND task.worker_id = the_worker_id;
  END IF;

  IF JSON_LENGTH(the_retries) > 0 THEN
    SET @jobdeck_counts_itself = NULL;
    SELECT JSON_ARRAYAGG(JSON_ARRAY(task.id, task.attempt, failed.run_after)) INTO again
    FROM JSON_TABLE(the_retries, '$[*]' COLUMNS (
      task_id BIGINT PATH '$[0]',
      attempt INT PATH '$[1]',
      run_after VARCHAR(27) PATH '$[2]')) AS failed
    JOIN task ON task.id = failed.task_id AND task.attempt = failed.attempt
    JOIN job ON job.id = task.job_id
    WHERE task.worker_id = the_worker_id AND task.status = 'FAILED'
      AND job.cancel_requested_at IS NULL;
    UPDATE task JOIN JSON_TABLE(again, '$[*]' COLUMNS (
      task_id BIGINT PATH '$[0]',
      attempt INT PATH '$[1]',
      run_after VARCHAR(27) PATH '$[2]')) AS later ON task.id = later.task_id
    SET task.status = 'SCHEDULED', task.worker_id = NULL, task.started_at = NULL,
        task.finished_at = NULL, task.run_after = later.run_after, task.retries = task.retries + 1;
  END IF;

  IF JSON_LENGTH(the_logs) > 0 THEN
    INSERT INTO log_line (job_id, task_id, attempt, at, level, message)
    SELECT line.job_id, line.task_id, line.attempt, line.at, line.level, line.message
    FROM JSON_TABLE(the_logs, '$[*]' COLUMNS (
      job_id BIGINT PATH '$[0]',
      task_id BIGINT PATH '$[1]',
      attempt INT PATH '$[2]',
      at VARCHAR(27) PATH '$[3]',
      level VARCHAR(10) PATH '$[4]',
      message LONGTEXT PATH '$[5]')) AS line
    JOIN task ON task.id = line.task_id;
  END IF;

  SET @jobdeck_counts_itself = NULL;
  IF is_whole THEN COMMIT; END IF;
END""",
    """CREATE OR REPLACE FUNCTION queued_of (the_handler VARCHAR(100))
RETURNS INTEGER
READS SQL DATA
RETURN (SELECT count(*) FROM (
    SELECT 1 AS one FROM job
    WHERE job.handler = the_handler AND job.status = 'QUEUED' AND job.waiting_until IS NULL
      AND job.preparing_until IS NULL
    LIMIT 1001) AS some_of_them)""",
)
