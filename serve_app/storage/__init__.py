"""What outlives a process: one SQL database, SQLite or PostgreSQL, and a folder."""
