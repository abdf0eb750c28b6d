"""What the service tells about itself: log lines, metrics and whether it is ready."""
