"""The subcommands of ``rayscribe``. Heavy imports stay inside the functions: ``--help`` should not wait for Ray."""
