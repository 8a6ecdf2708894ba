"""Polish: a language model proposes small edits, and a guard decides which of them are made."""
