"""What the deployer measures."""

from prometheus_client import Counter, Gauge

from strop import gauges
from strop_contracts import tables

DEPLOYMENT_ANSWERS = Counter("strop_deployment_answers_total", "Outcomes of devices' orders", ["project", "outcome"])
DEPLOYMENTS = Counter("strop_deployments_total", "Deployments that ended, by how", ["project", "kind", "state"])
DESIRED_SENT = Counter("strop_desired_sent_total", "Orders that the target has accepted", ["project"])
DEPLOYMENT_DEVICES = Gauge(
    "strop_deployment_devices", "Devices by their state in the deployment they follow", ["project", "state"]
)

_device = tables.DeploymentDevice
GAUGES: gauges.Table = ((DEPLOYMENT_DEVICES, gauges.count_by(_device.project, _device.state).where(_device.current)),)
