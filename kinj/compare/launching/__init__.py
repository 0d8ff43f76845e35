"""Where units run: side by side on this machine, each with its part of it, or on the machines of a Ray cluster."""
