"""What the router measures."""

from typing import Any

from prometheus_client import Counter, Gauge
from sqlalchemy import Select, func, literal_column, select, union_all

from strop import gauges
from strop_contracts import tables

ROUTES = Counter("strop_routes_total", "Routing decisions", ["project", "reason"])
FIELD_ACCURACY = Gauge(
    "strop_field_accuracy", "Estimated share of right predictions in the field", ["project", "model", "part"]
)
MODELS_DEGRADED = Gauge(
    "strop_models_degraded",
    "1 for a model that is significantly worse in the field than in its evaluation",
    ["project", "model"],
)

_Estimate, _Model = tables.QualityEstimate, tables.QualityModel
_newest = (
    select(_Estimate.project, func.max(_Estimate.at).label("at"))
    .where(_Estimate.at > func.now() - func.make_interval(0, 0, 0, 1))
    .group_by(_Estimate.project)
    .subquery()
)
_parts: list[Select[*tuple[Any, ...]]] = [
    select(_Estimate.project, _Estimate.model, literal_column(f"'{name}'").label("part"), column.label("value"))
    .join(_newest, (_newest.c.project == _Estimate.project) & (_newest.c.at == _Estimate.at))
    .where(_Estimate.measure == "accuracy", _Estimate.label == "", _Estimate.device_group == "")
    for name, column in (("estimate", _Estimate.estimate), ("low", _Estimate.low), ("high", _Estimate.high))
]
GAUGES: gauges.Table = (
    (FIELD_ACCURACY, select(union_all(*_parts).subquery())),
    (MODELS_DEGRADED, gauges.count_by(_Model.project, _Model.model).where(_Model.degraded_at.is_not(None))),
)
