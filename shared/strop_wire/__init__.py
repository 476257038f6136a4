"""The messages between a device and the cloud. No dependencies: a device may hold nothing else of ours.

`topics.py` names the topics, `messages.py` and `reports.py` what they carry; the wire is MQTT 3.1.1, QoS 1, JSON of at most 128 KB.
"""

VERSION = 1
MAX_PAYLOAD = 128 * 1024
