"""PostgreSQL, an MQTT broker and S3 with SQS on this machine alone: no Docker, no AWS account, no root."""
