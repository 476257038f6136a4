"""What the trainer measures."""

from prometheus_client import Gauge, Histogram

from strop import gauges
from strop_contracts import tables

TRAINING_SECONDS = Histogram(
    "strop_training_seconds",
    "Seconds of a training run",
    ["project"],
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000, 10000),
)
TRAINING_RUNS = Gauge("strop_training_runs", "Training runs so far, by state", ["project", "state"])
MODEL_VERSIONS = Gauge("strop_model_versions", "Model versions so far, by the gate's verdict", ["project", "state"])

GAUGES: gauges.Table = (
    (TRAINING_RUNS, gauges.count_by(tables.TrainingRun.project, tables.TrainingRun.state)),
    (MODEL_VERSIONS, gauges.count_by(tables.ModelVersion.project, tables.ModelVersion.state)),
)
