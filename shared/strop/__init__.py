"""The kernel of Strop's services: events, tables, the inbox and the outbox, queues, storage, MQTT and the app frame."""
