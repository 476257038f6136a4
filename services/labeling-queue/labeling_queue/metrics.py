"""What the labeling queue measures."""

from prometheus_client import Counter, Gauge

from strop import gauges
from strop_contracts import states, tables

ANNOTATIONS = Counter("strop_annotations_total", "Answers of labelers", ["project", "answer"])
LABEL_TASKS_OPEN = Gauge("strop_label_tasks_open", "Label tasks that wait for an answer", ["project"])

_open = tables.LabelTask.state == states.TaskState.OPEN
GAUGES: gauges.Table = ((LABEL_TASKS_OPEN, gauges.count_by(tables.LabelTask.project).where(_open)),)
