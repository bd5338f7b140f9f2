"""What alembic runs: the connection is given by `gateway/store/migrate.py`, which also holds the transaction."""

from alembic import context

from gateway.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
