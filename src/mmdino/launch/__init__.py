"""A command of ours as a job: submitted, found again, waited for, cancelled, explained. It knows nothing of methods."""
