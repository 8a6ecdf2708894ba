"""How the schema came about, for alembic; Database.migrate() runs it."""
