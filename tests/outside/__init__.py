"""Handlers that live outside of the application, for `JOBDECK_HANDLERS=tests.outside`."""
