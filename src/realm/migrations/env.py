"""Alembic's entry: runs the revisions on the connection that `realm.db` hands in."""

from alembic import context

connection = context.config.attributes["connection"]
# Batch mode lets the same revision change tables on SQLite and on PostgreSQL.
context.configure(connection=connection, render_as_batch=True, transactional_ddl=True)
context.run_migrations()
