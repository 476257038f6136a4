"""Every metric that the services expose, by the name of the module that declares it."""

from prometheus_client.metrics import MetricWrapperBase

from custom_labels import metrics as custom_labels
from deployer import metrics as deployer
from ingest import metrics as ingest
from labeling_queue import metrics as labeling_queue
from router import metrics as router
from strop import metrics as kernel
from trainer import metrics as trainer

MODULES = (kernel, ingest, router, labeling_queue, trainer, deployer, custom_labels)
ALL = [each for module in MODULES for each in vars(module).values() if isinstance(each, MetricWrapperBase)]
