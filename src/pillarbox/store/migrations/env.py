"""What Alembic runs for each migration: in the transaction and on the connection at hand."""

from alembic import context

from pillarbox.store.schema_base import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
