"""One module or folder per wire API: its requests to ours, our answers and errors to its."""
