"""What services share without sharing code: events, queues, tables and their owners, errors."""
