"""The migrations of the tables, run by store.migrate."""
