"""What Alembic runs for an upgrade: the revisions, on the connection that `upgrade` gives."""

from alembic import context

from cdss.persistence.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
