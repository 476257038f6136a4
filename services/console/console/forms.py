"""What several pages read from their forms: a reason, and the settings that a person has changed."""

from collections.abc import Mapping, Sequence

from fastapi import Request

from strop_contracts import control, errors


def signature(reason: str) -> control.Signature:
    """Return a reason as a document; Refused without one."""
    if not reason.strip():
        raise errors.Refused("Give a reason: it is recorded with your name.")
    return control.Signature(reason=reason.strip()[:500])


async def texts(request: Request) -> dict[str, str]:
    """Return the fields of a form without the spaces around them."""
    return {name: str(value).strip() for name, value in (await request.form()).items()}


def changes(version: int, values: Sequence[control.PolicyValue], form: Mapping[str, str]) -> dict[str, str]:
    """Return the values of a form that differ; Refused if it shows an older version, whose values would undo a change."""
    if form.get("version", str(version)) != str(version):
        raise errors.Refused("The settings were changed meanwhile: check them, then save again.")
    now = {each.name: each.value for each in values}
    return {name: value for name, value in form.items() if name != "version" and value != now.get(name)}
