"""Train and judge one model, or judge one again: `python -m trainer.training JOB.json RESULT.json`, a process of its own.

It reads and writes files only, so it needs no database and no network, and the same job gives the same model. Progress
goes to standard output, one JSON object a line: step, done, total. If it fails, the exit code is 1
and the last line of standard error has the reason. `jobs` has the fields of both files.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from strop_contracts import documents
from strop_edge import model
from strop_image import sandbox
from trainer import backends, evaluation, exclusions, features, gate, jobs, package
from trainer.backends import base

_PAUSE = 0.3  # seconds between two reports of progress
_ESTIMATE = 3.0  # seconds of a step after which its rate is stable

Outcomes = dict[documents.Origin, list[documents.Outcome]]


def run(job: jobs.Job, progress: base.Progress) -> jobs.Result:
    """Train, package, judge, decide. The outcomes are written beside the package; CannotTrain with the reason."""
    backend = backends.build(job.backend, job.options)
    images, left_out = _usable(job, backend, progress)
    train = [item for item in images if item.part == documents.Part.TRAIN]
    labels = sorted({item.label for item in train})
    job.output.mkdir(parents=True)
    trained = backend.train(base.Request(train, labels, job.output, job.cache, job.champion), progress)
    files = package.write(job, labels, trained)
    judged = _judged(job, job.output, images, left_out, progress)
    amounts = f"{_count(images, documents.Part.TRAIN)} field images to learn from, {_golden(images)}"
    return jobs.Result(
        **{**dict(judged), "reasons": [*judged.reasons, amounts]}, labels=labels, shared=trained.shared, files=files
    )


def judge(job: jobs.Job, folder: Path, progress: base.Progress) -> jobs.Judged:
    """Judge the package in `folder` on the held-out images of the job, and decide."""
    images, left_out = _usable(job, backends.build(job.backend, job.options), progress)
    judged = _judged(job, folder, images, left_out, progress)
    return judged.model_copy(update={"reasons": [*judged.reasons, _golden(images)]})


def _judged(
    job: jobs.Job,
    folder: Path,
    images: Sequence[jobs.Item],
    left_out: Sequence[documents.LeftOut],
    progress: base.Progress,
) -> jobs.Judged:
    """Compare the package in `folder` with the champion on the held-out images."""
    excluded = [f"{exclusions.describe(left_out, len(job.images))}. The others were used"] if left_out else []
    challenger = _judge(folder, job.cache, images, progress)
    champion = _judge(job.champion, job.cache, images, progress) if job.champion else None
    verdict = _decide(challenger, champion, job.limits)
    described = model.Model(folder).manifest
    return jobs.Judged(
        evaluations={
            origin: evaluation.metrics(
                outcomes,
                described.labels,
                described.assumed_thresholds,
                [each for each in left_out if each.origin == origin],
            )
            for origin, outcomes in challenger.items()
        },
        outcomes={origin: _write(job, origin, outcomes) for origin, outcomes in challenger.items()},
        champion={origin: _write(job, origin, each, "-champion") for origin, each in (champion or {}).items()},
        state=verdict.state,
        reasons=[*verdict.reasons, *excluded],
    )


def _usable(
    job: jobs.Job, backend: base.Backend, progress: base.Progress
) -> tuple[Sequence[jobs.Item], list[documents.LeftOut]]:
    """Return the images that can be used, and those that cannot; CannotTrain if those are over the limit."""
    bad = {item.sha256: item.fault or "its file is missing" for item in job.images if _fails(item)}
    bad |= backend.prepare([item for item in job.images if item.sha256 not in bad], job.cache, progress)
    return exclusions.split(job.images, bad)


def _fails(item: jobs.Item) -> bool:
    return bool(item.fault) or not item.path.is_file()


def _judge(folder: Path, cache: Path, images: Sequence[jobs.Item], progress: base.Progress) -> Outcomes:
    """Classify the held-out images with the model in `folder`, by origin."""
    judged = model.Model(folder)
    outcomes = {}
    for origin, part in jobs.PARTS.items():
        held = [item for item in images if (item.origin, item.part) == (origin, part)]
        wanted = [features.View(item.sha256, item.path) for item in held]
        assessed = evaluation.assess(judged, folder, wanted, cache, lambda done, total: progress("judge", done, total))
        outcomes[origin] = evaluation.judge(judged, wanted, [item.label for item in held], assessed)
    return outcomes


def _decide(challenger: Outcomes, champion: Outcomes | None, limits: gate.Limits) -> gate.Verdict:
    if champion is None:
        right = {origin: [(each.label, each.right) for each in challenger[origin]] for origin in jobs.PARTS}
        return gate.first(right[documents.Origin.BASE], right[documents.Origin.FIELD])
    pairs = {
        origin: [
            gate.Pair(new.label, new.right, old.right)
            for new, old in zip(challenger[origin], champion[origin], strict=True)
        ]
        for origin in jobs.PARTS
    }
    return gate.judge(pairs[documents.Origin.FIELD], pairs[documents.Origin.BASE], limits)


def _golden(images: Sequence[jobs.Item]) -> str:
    return f"{_count(images, documents.Part.GOLDEN)} golden"


def _count(images: Sequence[jobs.Item], part: documents.Part) -> int:
    """Count the field images of a part, so that it is visible why many labels changed little."""
    return sum(item.origin == documents.Origin.FIELD and item.part == part for item in images)


def _write(job: jobs.Job, origin: str, outcomes: Sequence[documents.Outcome], whose: str = "") -> Path:
    """One JSON object a line for each held-out image; beside the package, which holds a device's files only."""
    path = job.output.with_name(f"outcomes-{origin}{whose}.jsonl")
    path.write_bytes(documents.lines(outcomes))
    return path


class _Reporter:
    """Prints progress, at most every `_PAUSE` seconds, and the end of each step."""

    def __init__(self) -> None:
        self._last = 0.0
        self._step, self._first, self._done, self._began = "", 0, 0, 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        now = time.monotonic()
        if step != self._step or done <= self._done:  # another step, or the same one again
            self._step, self._first, self._began = step, done, now
        self._done = done
        if done == total or now - self._last > _PAUSE:
            self._last = now
            found = documents.Progress(
                step=step, done=done, total=total, left=self._left(done, total, now - self._began)
            )
            print(found.model_dump_json(exclude_none=True), flush=True)

    def _left(self, done: int, total: int, spent: float) -> float | None:
        """Estimate the seconds that the step still takes, from what it has done since its first report."""
        moved = done - self._first
        return round(spent / moved * (total - done), 1) if moved and done < total and spent > _ESTIMATE else None


def _end_with(parent: int) -> None:
    """Exit when the trainer that waits for the result has ended: another one takes the run over."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(2)


def main(spec: Path, result: Path) -> None:
    job = jobs.Job.model_validate_json(spec.read_bytes())
    if job.parent:
        threading.Thread(target=_end_with, args=(job.parent,), daemon=True).start()
    try:
        made = judge(job, job.judged, _Reporter()) if job.judged else run(job, _Reporter())
        result.write_text(made.model_dump_json())
    except base.CannotTrain as error:
        sys.exit(str(error))  # for people: without the traceback
    except sandbox.Unavailable as error:
        print(error, file=sys.stderr)
        sys.exit(jobs.TRY_AGAIN)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
