"""Changes to the directory, made by the command line and by the API. Each is a plain function over
a connection, to be run by `Database.write` or `Database.write_now`; each moves the generation of
the directory in the same transaction, so running processes see it within a second."""
