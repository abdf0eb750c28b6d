"""Reports on TLS with mail hosts (RFC 8460): who wants them, what is counted, what they say."""
