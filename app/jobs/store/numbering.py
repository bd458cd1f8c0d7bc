"""Claims and groups have numbers, so that on PostgreSQL none is carried out twice or too late.

A connection may break when nobody can say whether its last statement was carried out, or will be:
the server may still be at it. SQLite always tells.
"""

from __future__ import annotations

from itertools import count

from app.engines import POSTGRESQL_TURN

_numbers = count(1)


def next_number() -> int:
    """A number that is greater than all before it in this process."""
    return next(_numbers)


def in_its_turn(column: str) -> str:
    """How a function there begins: alone, for a living worker, and for each number once.

    `column` of the worker is the greatest number so far.
    """
    return f"""PERFORM {POSTGRESQL_TURN};
  UPDATE worker SET {column} = NEW.number
  WHERE id = NEW.worker_id AND alive AND {column} < NEW.number;
  IF NOT FOUND THEN
    IF EXISTS (SELECT 1 FROM worker WHERE id = NEW.worker_id AND alive) THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION 'jobdeck: fenced' USING ERRCODE = 'integrity_constraint_violation';
  END IF;"""
