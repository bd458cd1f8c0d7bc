"""What this application does: one module for each kind of job."""
