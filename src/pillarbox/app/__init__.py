"""The worker: everything is built here, runs in one event loop and ends in good order."""
