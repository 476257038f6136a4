"""Every operation of the API and the function that answers it; `DetectCustomLabels` needs the models that run (`__main__`)."""

from collections.abc import Mapping

from custom_labels.api import tags
from custom_labels.api.call import Operation
from custom_labels.datasets import entries
from custom_labels.datasets import operations as datasets
from custom_labels.hosting import operations as hosting
from custom_labels.projects import deletion, policies
from custom_labels.projects import operations as projects
from custom_labels.versions import operations as versions

TABLE: Mapping[str, Operation] = {
    "CreateProject": projects.create,
    "DescribeProjects": projects.describe,
    "DeleteProject": deletion.delete,
    "CreateDataset": datasets.create,
    "DescribeDataset": datasets.describe,
    "UpdateDatasetEntries": entries.update,
    "ListDatasetEntries": entries.list_entries,
    "ListDatasetLabels": entries.list_labels,
    "DistributeDatasetEntries": datasets.distribute,
    "DeleteDataset": datasets.delete,
    "CreateProjectVersion": versions.create,
    "DescribeProjectVersions": versions.describe,
    "CopyProjectVersion": versions.copy,
    "DeleteProjectVersion": versions.delete,
    "StartProjectVersion": hosting.start,
    "StopProjectVersion": hosting.stop,
    "PutProjectPolicy": policies.put,
    "ListProjectPolicies": policies.list_policies,
    "DeleteProjectPolicy": policies.delete,
    "TagResource": tags.tag,
    "UntagResource": tags.untag,
    "ListTagsForResource": tags.list_tags,
}
