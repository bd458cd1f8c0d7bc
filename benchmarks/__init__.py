"""What Jobdeck's engine does in a second, beside what the bare database does in the same run."""
