"""What comes in: captures and states over MQTT, images and hand-made moves over S3."""
