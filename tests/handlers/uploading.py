"""What tests of handlers do with files: upload one, run a job with it, look at what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from app.jobs import Engine, JobDetail
from app.jobs.errors import InvalidParams
from tests.eventually import eventually


def uploaded(engine: Engine, content: str | bytes, name: str = "people.csv") -> int:
    """The number of an upload of this content, by nobody in particular."""
    part = engine.shelf.begin_upload(name)
    part.write(content if isinstance(content, bytes) else content.encode())
    return engine.shelf.add_upload(part, name, None).id


def ended(engine: Engine, job_id: int) -> JobDetail:
    """The job, once it has ended."""
    eventually(lambda: engine.job(job_id).is_final, within=60)
    return engine.job(job_id)


def refusal(engine: Engine, handler: str, params: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with params, by field; nothing is stored."""
    before = len(engine.jobs(limit=1_000))
    try:
        engine.start(handler, params)
    except InvalidParams as error:
        assert len(engine.jobs(limit=1_000)) == before
        return {name: " ".join(said) for name, said in error.fields.items()}
    raise AssertionError("It was not refused.")
