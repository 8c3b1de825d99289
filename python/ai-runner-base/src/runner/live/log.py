"""Log lines in the runner's form."""

from ai_runner_base.log import config_logging, config_logging_fields, log_timing

__all__ = ["config_logging", "config_logging_fields", "log_timing"]
