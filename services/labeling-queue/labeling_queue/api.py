"""The HTTP API for labelers, whether people (through the page) or programs (with a Bearer token)."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.security import HTTPBearer

from labeling_queue import annotations, kinds, labels, progress, queries, rules, schemas
from strop import access, requests
from strop_contracts import errors, keys, states, tables
from strop_contracts.states import Role
from strop_web import auth, shell
from strop_wire import messages


def _problem(description: str) -> dict[str, Any]:
    return {"model": schemas.Problem, "description": description}


NOT_FOUND = _problem("It does not exist; `detail` names it.")
UNREADABLE = _problem("The body is not JSON in UTF-8.")
REFUSED = _problem("Valid and not allowed at the moment; `detail` has the reason.")

router = APIRouter(
    prefix="/api",
    tags=["labeling"],
    # `auth` reads the header, or the cookie of the pages; this one is for the documentation only.
    dependencies=[Depends(HTTPBearer(auto_error=False, description="`strop token create NAME` makes one."))],
    responses={
        401: _problem("Not signed in: neither a valid Bearer token nor the cookie of the pages."),
        403: _problem("You have no role in this project, or the pages' cookie came with a request from another site."),
        422: _problem("The request does not follow this description; `detail` names the field."),
    },
)


Session = requests.Session


async def signed_in(request: Request, session: Session) -> access.Caller:
    """Return the caller; 401 without a sign-in, 403 from another site's page or without the role that the route needs."""
    caller = await auth.find(session, request)
    if caller is None:
        raise HTTPException(401, auth.HINT, {"WWW-Authenticate": "Bearer"})
    if caller.source == states.AnswerSource.PAGE and request.method != "GET" and not auth.same_origin(request.headers):
        raise HTTPException(403, "This request came from another site.")
    if refusal := await access.check(session, request, caller):
        raise errors.Forbidden(refusal)
    return caller


Me = Annotated[access.Caller, Depends(signed_in)]
Project = Annotated[
    str,
    Path(
        description="Name of the project: letters, digits, `_` and `-`.", pattern=schemas.NAME, examples=["beverages"]
    ),
]


async def _own_task(task: Annotated[UUID, Path(description="Id of the label task.")], me: Me, session: Session) -> UUID:
    """Return the id of a task; NotFound if there is none, Forbidden if the caller is no labeler of its project."""
    me.require(Role.LABELER, await queries.project_of(session, task))
    return task


Task = Annotated[UUID, Depends(_own_task)]


Count = Annotated[int, Query(ge=1, le=20, description="How many to lease at once, to show them without waiting.")]


@router.post("/projects/{project}/tasks/next", summary="Lease the next tasks", responses={404: NOT_FOUND})
async def next_tasks(project: Project, me: Me, session: Session, count: Count = 1) -> list[schemas.Task]:
    """They are leased for ten minutes.

    Those you have already come first, with their time renewed; so asking again keeps what you are looking at, and
    brings it back after a reload. An empty list: nothing waits at the moment.
    """
    await queries.require_project(session, project)
    leased = await queries.lease(session, project, me.name, count)
    return [_present(*row) for row in await queries.details(session, leased)]


@router.post("/tasks/{task}/answer", summary="Answer a task", responses={400: UNREADABLE, 404: NOT_FOUND, 409: REFUSED})
async def answer(task: Task, given: schemas.Answer, me: Me, session: Session) -> schemas.Annotation:
    """The same answer again changes nothing, so it is safe to repeat when no reply came.

    409: the task is not yours any more (your lease ran out and somebody else took it, or it is answered), or you
    answered otherwise before: then undo first.
    """
    read = rules.read_answer(given.answer, given.label)
    return schemas.Annotation.model_validate(await annotations.submit(session, task, me.name, me.source, read))


@router.post("/tasks/{task}/skip", status_code=204, summary="Give a task back", responses={404: NOT_FOUND})
async def skip(task: Task, me: Me, session: Session) -> None:
    """It is offered again after all others, to any labeler. A task that you do not hold is not changed."""
    await annotations.skip(session, task, me.name)


@router.post("/tasks/{task}/unskip", summary="Take back a skip", responses={404: NOT_FOUND, 409: REFUSED})
async def unskip(task: Task, me: Me, session: Session) -> schemas.Task:
    """The task is leased to you again and comes at its place, as if it had not been skipped.

    409: somebody else has it now, or it was answered.
    """
    await annotations.unskip(session, task, me.name)
    (row,) = await queries.details(session, [task])
    return _present(*row)


@router.post("/annotations/undo", summary="Take back your latest answer", responses={400: UNREADABLE, 404: NOT_FOUND})
async def undo(wanted: schemas.Undo, me: Me, session: Session) -> schemas.Undone:
    """Again: the one before, and so on. With `task`, only the answer to that one.

    The task is open again and leased to you, unless another answer stands (somebody moved the file by hand).
    """
    me.require(Role.LABELER, wanted.project)
    annotation, task = await annotations.undo(session, wanted.project, me.name, wanted.task)
    rows = await queries.details(session, [task.id]) if task.state == states.TaskState.OPEN else []
    return schemas.Undone(
        annotation=schemas.Annotation.model_validate(annotation),
        task=_present(*rows[0]) if rows else None,
    )


@router.get("/projects/{project}/progress", summary="See how far the labeling is", responses={404: NOT_FOUND})
async def show_progress(
    project: Project,
    me: Me,
    session: Session,
    since: Annotated[
        schemas.Moment | None, Query(description="Count answers from then on, with its zone; default: today, UTC.")
    ] = None,
) -> schemas.Progress:
    """How many tasks wait, and who answered how many."""
    await queries.require_project(session, project)
    return schemas.Progress.model_validate(await progress.progress(session, project, since or today()))


@router.get("/projects/{project}/labels", summary="List the labels", responses={404: NOT_FOUND})
async def label_list(project: Project, me: Me, session: Session) -> list[str]:
    """Those in use, sorted: those of the base data and those people gave. An answer may bring a new one."""
    await queries.require_project(session, project)
    return await labels.all_(session, project)


@router.get("/projects/{project}/labels/waiting", summary="List possible new labels", responses={404: NOT_FOUND})
async def waiting_labels(project: Project, me: Me, session: Session) -> list[schemas.WaitingLabel]:
    """Folders below `labeled_field_data/` that contain images and whose names are not labels of the project."""
    await queries.require_project(session, project)
    found = await labels.waiting(session, project)
    return [schemas.WaitingLabel.model_validate(each) for each in found]


@router.post(
    "/projects/{project}/labels",
    summary="Decide about a possible new label",
    responses={400: UNREADABLE, 404: NOT_FOUND, 409: REFUSED},
)
async def decide_label(project: Project, decision: schemas.LabelDecision, me: Me, session: Session) -> schemas.Decided:
    """Its images get the label, and so does what is moved into that folder later. Needs the role reviewer.

    404: no image waits in that folder. 409: `label` is neither the name nor a label of the project.
    """
    await queries.require_project(session, project)
    return schemas.Decided(images=await labels.decide(session, project, decision.name, decision.label, me.name))


@router.get(
    "/tasks/{task}/image",
    summary="Get the image of a task",
    response_class=Response,
    responses={
        200: {
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in messages.IMAGE_TYPES},
            "description": "The image's bytes.",
        },
        404: NOT_FOUND,
    },
)
async def image(
    task: Annotated[UUID, Path(description="Id of the label task.")], request: Request, opened: requests.Runtime
) -> Response:
    """It never changes, so browsers keep it."""
    async with opened.sessions() as session:  # not held while the bucket answers
        me = await signed_in(request, session)
        found = await queries.image(session, task)
        me.require(Role.LABELER, found.project)
    body = await opened.storage.get(keys.image(found.project, found.sha256))
    return Response(body, media_type=found.content_type, headers=shell.FOREVER)


def _present(task: tables.LabelTask, capture: tables.Capture, found: tables.Image) -> schemas.Task:
    return kinds.of(task).present(task, capture, found)


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
